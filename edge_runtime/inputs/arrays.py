"""Images in numpy's files: a `.npy`, or an array of an `.npz`, uint8 [N, 28, 28].

Read by ranges from the file as it stands, never mapped and never whole: memory does not grow with N, a file that is cut off while it is
read is an error and not a signal, and no pickle is ever opened. Format: numpy.lib.format, versions 1.0 to 3.0.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import SIDE, Batch
from edge_runtime.errors import DataError, InputError
from edge_runtime.preprocessing.image_files import Picture

_PIXELS = SIDE * SIDE
_LONGEST_HEADER = 10_000
_AT_ONCE = 1_024
_UNREADABLE = (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, SyntaxError)


@frozen_dataclass
class _Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: str

    @property
    def fits(self) -> bool:
        return self.dtype == "uint8" and len(self.shape) == 3 and self.shape[1:] == (SIDE, SIDE) and not self.fortran

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}{' in column order' if self.fortran and len(self.shape) > 1 else ''}"


class ArrayImages:
    """The images of a file, by position. For one thread at a time.

    Attributes:
        name: of the array, for an .npz; None for a .npy.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open a file.

        Args:
            path: which.
            name: of an array in an .npz. None for the only one there of uint8 [N, 28, 28].

        Raises:
            DataError: it cannot be read, or holds no such array, or several; the message names those that it holds.
        """
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is not a file")
        self._path, self._files = path, ExitStack()
        one = path.suffix.lower() == ".npy"
        if one and name is not None:
            raise DataError(f"{path}: a .npy file holds one array, which has no name such as {name!r}")
        try:
            self.name = None if one else _array_name(path, name)
            self._stream = self._opened()
            header = _read_header(self._stream)
        except _UNREADABLE as error:
            self._files.close()
            raise _unreadable(path, error) from error
        self._count, self._start = header.shape[0] if header.shape else 0, self._stream.tell()
        if problem := self._problem(header):
            self._files.close()
            raise DataError(f"{path}: {problem}")

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> "ArrayImages":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._files.close()

    def pictures(self, start: int, stop: int, source: str) -> Iterator[Picture | InputError]:
        """Images `start` to `stop`, as they are; `source` is not needed, since none of them can be broken.

        Raises:
            DataError: as `read`.
        """
        for first in range(start, stop, _AT_ONCE):
            for image in self.read(first, min(first + _AT_ONCE, stop)):
                yield Picture(image, ())

    def read(self, start: int, stop: int) -> Batch:
        """Images `start` to `stop`. Cheapest in rising order: in a compressed .npz, what lies before has to be unpacked.

        Raises:
            DataError: the file is cut off or damaged there.
        """
        wanted = (stop - start) * _PIXELS
        try:
            self._stream.seek(self._start + start * _PIXELS)
            content = self._stream.read(wanted)
        except _UNREADABLE as error:
            raise _unreadable(self._path, error) from error
        if len(content) < wanted:
            raise DataError(f"{self._path}: is cut off at image {start + len(content) // _PIXELS:,} of {self._count:,}")
        return np.frombuffer(content, np.uint8).reshape(-1, SIDE, SIDE)

    def _problem(self, header: "_Header") -> str:
        if not header.fits:
            return f"is {header}, expected uint8 [N, 28, 28] (0 = background, 255 = ink)"
        if not self._count:
            return "holds no images"
        there = (self._size - self._start) // _PIXELS
        return f"is cut off: it holds {there:,} of {self._count:,} images" if there < self._count else ""

    def _opened(self) -> IO[bytes]:
        if self.name is None:
            self._size = self._path.stat().st_size
            return self._files.enter_context(self._path.open("rb"))
        archive = self._files.enter_context(zipfile.ZipFile(self._path))
        self._size = archive.getinfo(f"{self.name}.npy").file_size
        return self._files.enter_context(archive.open(f"{self.name}.npy"))


def _array_name(path: Path, name: str | None) -> str:
    """The array of an .npz that is meant.

    Raises:
        DataError: there is none of that name, or none or several that would do.
    """
    with zipfile.ZipFile(path) as archive:
        members = [member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")]
        headers = {member: _header_of(archive, member) for member in members}
    held = ", ".join(f"{member} ({header})" for member, header in headers.items()) or "no arrays"
    if name is not None:
        if name not in headers:
            raise DataError(f"{path}: holds no array {name!r}; it holds {held}")
        return name
    fitting = [member for member, header in headers.items() if isinstance(header, _Header) and header.fits]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise DataError(f"{path}: holds no array of uint8 [N, 28, 28]; it holds {held}")
    raise DataError(f"{path}: holds several arrays of images; name one of {', '.join(f'{path}:{member}' for member in fitting)}")


def _header_of(archive: zipfile.ZipFile, member: str) -> "_Header | str":
    try:
        with archive.open(f"{member}.npy") as stream:
            return _read_header(stream)
    except _UNREADABLE:
        return "damaged"


def _read_header(stream: IO[bytes]) -> _Header:
    """What an array in numpy's format says of itself; the stream stands at its first value then.

    Raises:
        ValueError: it is no such array.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(stream, max_header_size=_LONGEST_HEADER)
    except Exception as error:  # numpy reads it with Python's own parser, whose errors are of a dozen kinds
        raise ValueError(f"its header cannot be read: {' '.join(str(error).split())[:200]}") from error
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"its header has the shape {shape}")
    if dtype.hasobject:
        return _Header(shape, fortran, "pickled objects")
    return _Header(shape, fortran and len(shape) > 1, str(dtype))


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"{path}: cannot be read ({error.strerror})")
    return DataError(f"{path}: is not a numpy array file, or is damaged ({error})")
