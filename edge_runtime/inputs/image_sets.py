"""Files of many images: `.npy`, `.npz`, `.parquet`. `FILE:NAME` selects an array or a column."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import DataError, InputError
from edge_runtime.preprocessing.image_files import Picture

_PARQUET = ".parquet"
IMAGE_SET_SUFFIXES = (".npy", ".npz", _PARQUET)


class Images(AbstractContextManager["Images", None], Protocol):
    """Images by position. Not thread-safe."""

    def __len__(self) -> int: ...

    def pictures(self, start: int, stop: int, source: str) -> Iterator[Picture | InputError]:
        """Read images `start` to `stop`; an image that cannot be used gives its error, which calls it `source[position]`.

        Raises:
            DataError: the file is damaged there.
        """
        ...


@frozen_dataclass
class ImageSet:
    """A file of `count` images. text: as given on the command line. name: array or column; None for the only one that holds images."""

    text: str
    path: Path
    name: str | None
    count: int

    def open(self, folder: Path = Path()) -> Images:
        """Open the file. folder: base of a relative path.

        Raises:
            DataError: the file cannot be used, or is not the one that was counted.
            MissingPackage: it is a Parquet file, and pyarrow is not installed.
        """
        images = _open(folder / self.path, self.name)
        if len(images) == self.count:
            return images
        with images:
            raise DataError(f"{folder / self.path}: has {len(images):,} images, expected {self.count:,}; the file has changed")

    def source(self, position: int) -> str:
        """The name of an image in output and messages."""
        return f"{self.text}[{position}]"


def is_image_set(text: str) -> bool:
    """Whether it is a path of such a file."""
    return text.lower().endswith(IMAGE_SET_SUFFIXES) and not Path(text).is_dir()


def find_image_set(text: str) -> ImageSet | None:
    """The file of many images that an input names; None if it is none.

    Raises:
        DataError: it cannot be used.
        MissingPackage: it is a Parquet file, and pyarrow is not installed.
    """
    path, _, name = text.rpartition(":")
    if is_image_set(text):
        path, name = text, ""
    elif not is_image_set(path) or Path(text).exists():
        return None
    with _open(Path(path), name or None) as images:
        return ImageSet(text, Path(path), name or None, len(images))


def _open(path: Path, name: str | None) -> Images:
    if path.suffix.lower() != _PARQUET:
        from edge_runtime.inputs.arrays import ArrayImages

        return ArrayImages(path, name)
    from edge_runtime.inputs.parquet import ParquetImages

    return ParquetImages(path, name)
