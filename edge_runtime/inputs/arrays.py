"""Images in a `.npy` file or an array of an `.npz` file: uint8 [N, 28, 28].

The file is read in ranges, neither mapped nor loaded completely: memory does not grow with N, and a file that is truncated meanwhile is an
error instead of a signal. Pickles are never loaded. Format: numpy.lib.format, versions 1.0 to 3.0.
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
from edge_runtime.preprocessing.image_files import Picture, array_picture

_PIXELS = SIDE * SIDE
_MAX_HEADER_BYTES = 10_000
_BATCH = 1_024
_UNREADABLE = (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, SyntaxError)


@frozen_dataclass
class _Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: str

    @property
    def holds_images(self) -> bool:
        return self.dtype == "uint8" and len(self.shape) == 3 and self.shape[1:] == (SIDE, SIDE) and not self.fortran

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}{' in column order' if self.fortran and len(self.shape) > 1 else ''}"


class ArrayImages:
    """The images of a file, by position. Not thread-safe.

    Attributes:
        name: the array's name in an .npz; None for a .npy.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Open a file.

        Args:
            path: the file.
            name: an array of an .npz; None for the only one that is uint8 [N, 28, 28].

        Raises:
            DataError: it cannot be read, or has no such array, or several; the message lists its arrays.
        """
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is not a file")
        self._path, self._files = path, ExitStack()
        is_npy = path.suffix.lower() == ".npy"
        if is_npy and name is not None:
            raise DataError(f"{path}: a .npy file has one array without a name; omit :{name}")
        try:
            self.name = None if is_npy else _array_name(path, name)
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
        """Read images `start` to `stop` as pictures; `source` is unused, since single images cannot fail.

        Raises:
            DataError: as `read`.
        """
        for first in range(start, stop, _BATCH):
            for image in self.read(first, min(first + _BATCH, stop)):
                yield array_picture(image)

    def read(self, start: int, stop: int) -> Batch:
        """Read images `start` to `stop`. Ascending order is cheapest: in a compressed .npz, all images before `start` are unpacked.

        Raises:
            DataError: the file is truncated or damaged there.
        """
        wanted = (stop - start) * _PIXELS
        try:
            self._stream.seek(self._start + start * _PIXELS)
            content = self._stream.read(wanted)
        except _UNREADABLE as error:
            raise _unreadable(self._path, error) from error
        if len(content) < wanted:
            raise DataError(f"{self._path}: is truncated at image {start + len(content) // _PIXELS:,} of {self._count:,}")
        return np.frombuffer(content, np.uint8).reshape(-1, SIDE, SIDE)

    def _problem(self, header: "_Header") -> str:
        if not header.holds_images:
            return f"is {header}, expected uint8 [N, 28, 28] (0 = background, 255 = ink)"
        if not self._count:
            return "contains no images"
        present = (self._size - self._start) // _PIXELS
        return f"is truncated: it contains {present:,} of {self._count:,} images" if present < self._count else ""

    def _opened(self) -> IO[bytes]:
        if self.name is None:
            self._size = self._path.stat().st_size
            return self._files.enter_context(self._path.open("rb"))
        archive = self._files.enter_context(zipfile.ZipFile(self._path))
        self._size = archive.getinfo(f"{self.name}.npy").file_size
        return self._files.enter_context(archive.open(f"{self.name}.npy"))


def _array_name(path: Path, name: str | None) -> str:
    """The array of an .npz to read.

    Raises:
        DataError: there is none of that name; or without a name, none or several of uint8 [N, 28, 28].
    """
    with zipfile.ZipFile(path) as archive:
        members = [member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")]
        headers = {member: _header_of(archive, member) for member in members}
    held = ", ".join(f"{member} ({header})" for member, header in headers.items()) or "no arrays"
    if name is not None:
        if name not in headers:
            raise DataError(f"{path}: has no array {name!r}; it contains {held}")
        return name
    candidates = [member for member, header in headers.items() if isinstance(header, _Header) and header.holds_images]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise DataError(f"{path}: has no array of uint8 [N, 28, 28]; it contains {held}")
    raise DataError(f"{path}: has several arrays of images; name one of {', '.join(f'{path}:{member}' for member in candidates)}")


def _header_of(archive: zipfile.ZipFile, member: str) -> "_Header | str":
    try:
        with archive.open(f"{member}.npy") as stream:
            return _read_header(stream)
    except _UNREADABLE:
        return "damaged"


def _read_header(stream: IO[bytes]) -> _Header:
    """Read the header of an array in numpy's format; the stream is then at its first value.

    Raises:
        ValueError: it is no such array.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(stream, max_header_size=_MAX_HEADER_BYTES)
    except Exception as error:  # numpy parses it with ast.literal_eval, which raises a dozen kinds of errors
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
