"""Arrays of `.npz` files that others made: read whole, never unpickled, and with an error of ours for whatever is wrong with them."""

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

# What zipfile and numpy raise of damaged bytes, besides ValueError and OSError; RuntimeError is "encrypted" or "unknown compression".
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
_MOST_BYTES = 2**31


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Arrays of an `.npz` file by name.

    Raises:
        DataError: the file cannot be read, is damaged, lacks one of them, or one is larger than 2 GiB; the message names file and cause.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path}: is not an .npz file, or is truncated")
        with zipfile.ZipFile(path) as archive:
            held = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [name for name in names if name not in held]
            if missing:
                raise DataError(f"{path}: lacks {', '.join(missing)}; it holds {', '.join(held)[:200] or 'nothing'}")
            return {name: read_entry(archive, name) for name in names}
    except ValueError as error:
        cause = "holds pickled objects, which are never loaded" if "allow_pickle" in str(error) else f"damaged .npz file ({error})"
        raise DataError(f"{path}: {cause}") from error
    except DAMAGE as error:
        raise DataError(f"{path}: truncated or damaged .npz file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_test_images(path: Path, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]:
    """The test images of an `.npz` in MNIST's form and their labels: x_test, uint8 [N, 28, 28], and y_test, whole numbers [N].

    Args:
        path: the file; it needs no training images.
        classes: labels are 0 to classes - 1.

    Raises:
        DataError: the file cannot be used; the message names the file and the cause.
    """
    arrays = read_arrays(path, ("x_test", "y_test"))
    images, labels = arrays["x_test"], arrays["y_test"]
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{path}: x_test is {images.dtype} {list(images.shape)}, expected uint8 [N, 28, 28]")
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DataError(f"{path}: y_test is {labels.dtype} {list(labels.shape)}, expected whole numbers [N], such as uint8")
    if len(images) != len(labels) or len(images) == 0:
        raise DataError(f"{path}: {len(images):,} images and {len(labels):,} labels, expected as many of one as of the other")
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"{path}: labels are {labels.min()} to {labels.max()}, the model knows 0 to {classes - 1}")
    return images, labels


def read_entry(archive: zipfile.ZipFile, name: str, most_bytes: int = _MOST_BYTES) -> Any:
    """One array of an open `.npz`. It is read whole, since `np.load` stops before zipfile has compared the checksum.

    Raises:
        ValueError: it is larger than it may be, damaged, or holds objects; anything of `DAMAGE` may be raised too.
    """
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > most_bytes:
        raise ValueError(f"{name} has {entry.file_size:,} bytes, expected at most {most_bytes:,}")
    return np.lib.format.read_array(io.BytesIO(archive.read(entry)), allow_pickle=False)
