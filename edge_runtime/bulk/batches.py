"""What there is to classify, cut into pieces of bounded size, so that memory does not grow with the number of images."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import InputError
from edge_runtime.inputs.files import Item, Names, ahead, find, of_stdin, read_item
from edge_runtime.inputs.image_sets import Images, Stored
from edge_runtime.preprocessing.image_files import Picture

FILES, ROWS = 256, 4_096  # images in a piece; a photo takes hundreds of times as long as a row


@frozen_dataclass
class FileChunk:
    """Files, each by its path, and items that are known already."""

    entries: tuple[Item | Path, ...]

    @property
    def sources(self) -> list[str]:
        """What each image is called."""
        return [entry.source if isinstance(entry, Item) else str(entry) for entry in self.entries]

    def pictures(self, folder: Path, threads: int) -> Iterator[Picture | InputError]:
        """The images, or why one of them could not be used. folder: that paths begin in. threads: that read."""
        found = (entry if isinstance(entry, Item) else folder / entry for entry in self.entries)
        return (item.picture for item in ahead(read_item, found, threads))


@frozen_dataclass
class RowChunk:
    """Images `start` to `stop` of a file of many."""

    stored: Stored
    start: int
    stop: int

    @property
    def sources(self) -> list[str]:
        """What each image is called."""
        return [self.stored.source(row) for row in range(self.start, self.stop)]

    def pictures(self, images: Images) -> Iterator[Picture | InputError]:
        """The images, or why one of them could not be used."""
        return images.pictures(self.start, self.stop, self.stored.word)


Chunk = FileChunk | RowChunk


def describe(chunk: Chunk) -> str:
    """A piece by its first and last image."""
    sources = chunk.sources
    return sources[0] if len(sources) == 1 else f"{sources[0]} to {sources[-1]}"


@frozen_dataclass
class Plan:
    """All that words stand for. Of a folder its names are held, of what comes on standard input nothing."""

    parts: tuple[Names | Stored | Iterator[Item | Path], ...]

    def chunks(self) -> Iterator[Chunk]:
        """Its pieces, in order; what comes on standard input can be had once."""
        return chain.from_iterable(map(_cut, self.parts))

    def samples(self) -> list[Path]:
        """One file of each part, of those that are there: another machine that shares the folder finds them too."""
        found = [
            part.path if isinstance(part, Stored) else next(iter(part)) for part in self.parts if not isinstance(part, Iterator)
        ]
        return [path for path in found if path.exists()]


def make_plan(words: Iterable[str], stdin: BinaryIO) -> Plan:
    """What words mean, as for `files.items`; nothing but names and headers is read. One that cannot be used is an item that says why.

    Raises:
        InputError: none of them stands for anything that can be used.
    """
    found: list[Names | Stored | Item | Iterator[Item | Path]] = []
    for word in words:
        found += [of_stdin(stdin)] if word == "-" else find(word)
    unusable = [part.picture for part in found if isinstance(part, Item)]
    if len(unusable) == len(found) and unusable and isinstance(unusable[0], InputError):
        raise unusable[0]
    return Plan(tuple(iter([part]) if isinstance(part, Item) else part for part in found))


def _cut(part: Names | Stored | Iterator[Item | Path]) -> Iterator[Chunk]:
    if isinstance(part, Stored):
        return (RowChunk(part, start, min(start + ROWS, part.count)) for start in range(0, part.count, ROWS))
    entries = iter(part)
    return (FileChunk(piece) for piece in iter(lambda: tuple(islice(entries, FILES)), ()))
