"""Reader of IDX files, gzipped or not: the format of MNIST and similar data sets.

The format: two zero bytes, a type code (8 = uint8), the number of dimensions, each dimension as a big-endian 32-bit count, the values.
Source: "File formats for the MNIST database" on the page that published MNIST (LeCun, Cortes, Burges).
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import DataError

_UINT8 = 8
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of uint8 values; gzip is recognised by its first bytes, not by the file name.

    Returns:
        uint8 in the shape of the header.

    Raises:
        DataError: the file is missing, has a wrong magic or another type than uint8, or fewer or more values than the header states.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if not compressed:
                return _read_stream(raw, path)
            with gzip.open(raw) as stream:
                return _read_stream(stream, path)  # type: ignore[arg-type]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: truncated or damaged gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _read_stream(stream: BinaryIO, path: Path) -> NDArray[np.uint8]:
    shape = _read_header(stream, path)
    count = math.prod(shape)
    try:
        payload = stream.read(count + 1)
    except (MemoryError, OverflowError) as error:
        raise DataError(f"{path}: the header states {count:,} values, more than fit into memory") from error
    if len(payload) != count:
        found = "more" if len(payload) > count else f"{len(payload):,}"
        raise DataError(f"{path}: the header states {count:,} values {list(shape)}, the file holds {found}; is it truncated?")
    try:
        return np.frombuffer(payload, dtype=np.uint8).reshape(shape)
    except ValueError as error:  # such as 0 x 4294967295 x 4294967295
        raise DataError(f"{path}: the header states {list(shape)}, a shape that no array can have") from error


def _read_header(stream: BinaryIO, path: Path) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise DataError(f"{path}: too short for an IDX file ({len(magic)} bytes)")
    zero, type_code, dimensions = struct.unpack(">HBB", magic)
    if zero != 0 or type_code != _UINT8 or not 1 <= dimensions <= 4:
        raise DataError(f"{path}: wrong magic 0x{magic.hex()}; uint8 images start with 0x00000803, labels with 0x00000801")
    counts = stream.read(4 * dimensions)
    if len(counts) < 4 * dimensions:
        raise DataError(f"{path}: truncated within its header")
    return struct.unpack(f">{dimensions}I", counts)
