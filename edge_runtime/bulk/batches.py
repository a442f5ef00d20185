"""Cut inputs into chunks of bounded size, so that memory does not grow with the number of images."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import InputError
from edge_runtime.inputs.files import Item, Names, map_ahead, read_item, read_stdin, resolve
from edge_runtime.inputs.image_sets import Images, ImageSet
from edge_runtime.preprocessing.image_files import Picture

FILES, ROWS = 256, 4_096  # images in a chunk; a photo takes hundreds of times as long as a row


@frozen_dataclass
class FileChunk:
    """Paths of image files, and items that are read already."""

    entries: tuple[Item | Path, ...]

    @property
    def sources(self) -> list[str]:
        """The name of each image."""
        return [entry.source if isinstance(entry, Item) else str(entry) for entry in self.entries]

    def pictures(self, folder: Path, threads: int) -> Iterator[Picture | InputError]:
        """Read the images; one that cannot be used gives its error. folder: base of relative paths. threads: to read with."""
        found = (entry if isinstance(entry, Item) else folder / entry for entry in self.entries)
        return (item.picture for item in map_ahead(read_item, found, threads))


@frozen_dataclass
class RowChunk:
    """Images `start` to `stop` of a file of many images."""

    image_set: ImageSet
    start: int
    stop: int

    @property
    def sources(self) -> list[str]:
        """The name of each image."""
        return [self.image_set.source(row) for row in range(self.start, self.stop)]

    def pictures(self, images: Images) -> Iterator[Picture | InputError]:
        """Read the images; one that cannot be used gives its error."""
        return images.pictures(self.start, self.stop, self.image_set.text)


Chunk = FileChunk | RowChunk


def describe(chunk: Chunk) -> str:
    """Name a chunk by its first and last image."""
    sources = chunk.sources
    return sources[0] if len(sources) == 1 else f"{sources[0]} to {sources[-1]}"


@frozen_dataclass
class Plan:
    """All inputs of a run. It holds the names of files, but nothing of standard input."""

    parts: tuple[Names | ImageSet | Iterator[Item | Path], ...]

    def chunks(self) -> Iterator[Chunk]:
        """Its chunks, in order. Standard input can be read only once."""
        files: list[Iterable[Item | Path]] = []
        for part in self.parts:
            if isinstance(part, ImageSet):
                yield from _file_chunks(files)
                yield from _row_chunks(part)
                files = []
            else:
                files.append(part)
        yield from _file_chunks(files)

    def samples(self) -> list[Path]:
        """One existing file of each folder that was named: a machine that shares the folders finds all of them."""
        found = [
            part.path if isinstance(part, ImageSet) else next(iter(part)) for part in self.parts if not isinstance(part, Iterator)
        ]
        return list({path.parent: path for path in found if path.exists()}.values())


def make_plan(inputs: Iterable[str], stdin: BinaryIO) -> Plan:
    """Resolve inputs, as `files.expand` does, reading names and headers alone. An input that cannot be used becomes an item with its error.

    Raises:
        InputError: no input can be used.
    """
    found: list[Names | ImageSet | Item | Iterator[Item | Path]] = []
    for text in inputs:
        found += [read_stdin(stdin)] if text == "-" else resolve(text)
    unusable = [part.picture for part in found if isinstance(part, Item)]
    if len(unusable) == len(found) and unusable and isinstance(unusable[0], InputError):
        raise unusable[0]
    return Plan(tuple(iter([part]) if isinstance(part, Item) else part for part in found))


def _file_chunks(parts: Iterable[Iterable[Item | Path]]) -> Iterator[Chunk]:
    """Cut consecutive inputs together: a shell expands a pattern to an input for each file."""
    entries = chain.from_iterable(parts)
    return (FileChunk(group) for group in iter(lambda: tuple(islice(entries, FILES)), ()))


def _row_chunks(images: ImageSet) -> Iterator[Chunk]:
    return (RowChunk(images, start, min(start + ROWS, images.count)) for start in range(0, images.count, ROWS))
