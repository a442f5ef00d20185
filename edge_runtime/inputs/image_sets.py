"""Files that hold many images each: `.npy`, `.npz`, `.parquet`; `FILE:NAME` names an array or a column."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import DataError, InputError
from edge_runtime.preprocessing.image_files import Picture

_PARQUET = ".parquet"
STORED_SUFFIXES = (".npy", ".npz", _PARQUET)


class Images(AbstractContextManager["Images", None], Protocol):
    """Images by position. For one thread at a time."""

    def __len__(self) -> int: ...

    def pictures(self, start: int, stop: int, source: str) -> Iterator[Picture | InputError]:
        """Images `start` to `stop`, or why one of them could not be used; messages call them `source[position]`.

        Raises:
            DataError: the file is damaged there.
        """
        ...


@frozen_dataclass
class Stored:
    """A file of `count` images. word: as it was given. name: of the array or column; None for the only one that fits."""

    word: str
    path: Path
    name: str | None
    count: int

    def open(self, folder: Path = Path()) -> Images:
        """The images. folder: that its path begins in.

        Raises:
            DataError: the file cannot be used, or is not the one that was counted.
            MissingPackage: it is a Parquet file, and pyarrow is not installed.
        """
        images = _open(folder / self.path, self.name)
        if len(images) == self.count:
            return images
        with images:
            raise DataError(f"{folder / self.path}: holds {len(images):,} images, and held {self.count:,}; it is another file")

    def source(self, position: int) -> str:
        """What an image of it is called."""
        return f"{self.word}[{position}]"


def is_stored(word: str) -> bool:
    """Whether it is a path of such a file."""
    return word.lower().endswith(STORED_SUFFIXES) and not Path(word).is_dir()


def find_stored(word: str) -> Stored | None:
    """The file that a word means, if it is of one of these kinds.

    Raises:
        DataError: it cannot be used.
        MissingPackage: it is a Parquet file, and pyarrow is not installed.
    """
    place, _, name = word.rpartition(":")
    if is_stored(word):
        place, name = word, ""
    elif not is_stored(place) or Path(word).exists():
        return None
    with _open(Path(place), name or None) as images:
        return Stored(word, Path(place), name or None, len(images))


def _open(path: Path, name: str | None) -> Images:
    if path.suffix.lower() != _PARQUET:
        from edge_runtime.inputs.arrays import ArrayImages

        return ArrayImages(path, name)
    from edge_runtime.inputs.parquet import ParquetImages

    return ParquetImages(path, name)
