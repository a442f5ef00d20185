"""Read arrays of untrusted `.npz` files: never unpickled, and with a `DataError` for any damage."""

import io
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import DataError

# What zipfile and numpy raise for damaged files, besides ValueError and OSError; RuntimeError: encrypted, or unknown compression.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    TypeError,
    RuntimeError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
)
_MAX_BYTES = 2**31


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read arrays of an `.npz` file by name.

    Raises:
        DataError: the file cannot be read, is damaged, lacks an array, or one is larger than 2 GiB; the message names file and cause.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path}: is not an .npz file, or is truncated")
        with zipfile.ZipFile(path) as archive:
            held = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [name for name in names if name not in held]
            if missing:
                raise DataError(f"{path}: lacks {', '.join(missing)}; it contains {', '.join(held)[:200] or 'no arrays'}")
            return {name: read_entry(archive, name) for name in names}
    except ValueError as error:
        cause = (
            "contains pickled objects, which are never loaded" if "allow_pickle" in str(error) else f"damaged .npz file ({error})"
        )
        raise DataError(f"{path}: {cause}") from error
    except DAMAGE as error:
        raise DataError(f"{path}: truncated or damaged .npz file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_test_images(path: Path, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]:
    """Read the test images and labels of an `.npz` in MNIST's layout: x_test, uint8 [N, 28, 28], and y_test, integers [N].

    Args:
        path: the file; it needs no training images.
        classes: labels must be 0 to classes - 1.

    Raises:
        DataError: the file cannot be used; the message names the file and the cause.
    """
    arrays = read_arrays(path, ("x_test", "y_test"))
    images, labels = arrays["x_test"], arrays["y_test"]
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{path}: x_test is {images.dtype} {list(images.shape)}, expected uint8 [N, 28, 28]")
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DataError(f"{path}: y_test is {labels.dtype} {list(labels.shape)}, expected integers [N], such as uint8")
    if len(images) != len(labels) or len(images) == 0:
        raise DataError(f"{path}: {len(images):,} images and {len(labels):,} labels, expected equal numbers above 0")
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"{path}: labels are {labels.min()} to {labels.max()}, but the model's classes are 0 to {classes - 1}")
    return images, labels


def read_entry(archive: zipfile.ZipFile, name: str, max_bytes: int = _MAX_BYTES) -> Any:
    """Read one array of an open `.npz` completely: `np.load` stops before zipfile compares the checksum.

    Raises:
        ValueError: it is larger than `max_bytes`, damaged, or contains objects; any exception of `DAMAGE` may be raised too.
    """
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > max_bytes:
        raise ValueError(f"{name} has {entry.file_size:,} bytes, expected at most {max_bytes:,}")
    return np.lib.format.read_array(io.BytesIO(archive.read(entry)), allow_pickle=False)
