"""Inputs from a command line: files, folders, patterns and standard input, read ahead on threads in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, TypeVar

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import ImageError, InputError
from edge_runtime.inputs.image_sets import ImageSet, find_image_set, is_image_set
from edge_runtime.preprocessing.image_files import SUFFIXES, Picture, image_names, read_picture

_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*", b"%PDF-")  # a PDF begins with lines of text
_LONGEST_LINE = 65_536
_MOST_BYTES = 256 * 2**20  # of an image on standard input: 64 million pixels of four bytes
_TOO_LONG = f"standard input: has more than {_MOST_BYTES:,} bytes, too many for an image"
_WILDCARDS = "*?["
Entry = TypeVar("Entry")
Result = TypeVar("Result")


@frozen_dataclass
class Names:
    """File names in a folder."""

    folder: Path
    names: tuple[str, ...]

    def __iter__(self) -> Iterator[Path]:
        return (self.folder / name for name in self.names)


@frozen_dataclass
class Item:
    """A picture with its source, or the error that it caused."""

    source: str
    picture: Picture | InputError


def expand(inputs: Iterable[str], stdin: BinaryIO) -> Iterator[Item | Path]:
    """Expand inputs in their order: to paths of images to read, and to items that are read already or failed.

    Args:
        inputs: each a file, a folder (its image files, by name), a file of many images (`image_sets`), a pattern such as `scans/*.png` (its
            matches, by name; a file of exactly that name takes precedence), or "-" for standard input: one image, or a path per line.
        stdin: standard input, read lazily.
    """
    for text in inputs:
        if text == "-":
            yield from read_stdin(stdin)
            continue
        for found in resolve(text):
            yield from [found] if isinstance(found, Item) else found if isinstance(found, Names) else _items_of(found)


def read_items(entries: Iterable[Item | Path], threads: int = 1) -> Iterator[Item]:
    """Read the pictures of paths on threads, in order, and only a few files ahead."""
    return map_ahead(read_item, entries, threads)


def map_ahead(function: Callable[[Entry], Result], entries: Iterable[Entry], threads: int) -> Iterator[Result]:
    """`map(function, entries)` on threads, in order, with at most two pending results per thread. One thread needs no pool."""
    if threads < 2:
        yield from map(function, entries)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for entry in entries:
            waiting.append(pool.submit(function, entry))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def read_item(entry: Item | Path) -> Item:
    """Read the picture of a path, or record its error; an item is returned unchanged."""
    if isinstance(entry, Item):
        return entry
    try:
        return Item(str(entry), read_picture(entry))
    except InputError as error:
        return Item(str(entry), error)


def resolve(text: str) -> Iterator[Names | ImageSet | Item]:
    """Resolve an input to files, files of many images, and items for what cannot be used. Only names and headers are read."""
    path = Path(text)
    if not text:
        yield Item(text, ImageError("'' is no file name; give a file, a folder or a pattern"))
        return
    if path.exists() or not any(letter in text for letter in _WILDCARDS):
        yield _resolve_path(text)
        return
    import glob

    found = sorted(glob.glob(text, recursive=True))  # noqa: PTH207  # Path.glob needs the folder separately
    if not found:
        yield Item(text, ImageError(f"{text}: no file matches this pattern"))
    usable = [name for name in found if len(found) == 1 or _is_image_file(name) or Path(name).is_dir() or is_image_set(name)]
    if found and not usable:
        yield Item(text, ImageError(f"{text}: none of {len(found)} files that match is an image ({', '.join(SUFFIXES)})"))
    for is_file, names in groupby(usable, _is_image_file):
        if is_file:
            yield Names(Path(), tuple(names))
        else:
            yield from map(_resolve_path, names)


def _is_image_file(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not Path(name).is_dir()


def read_stdin(stdin: BinaryIO) -> Iterator[Item | Path]:
    """Read the image on standard input, or its paths, one per line."""
    line = stdin.readline(_LONGEST_LINE)
    if not line:
        yield Item("-", ImageError("standard input is empty; expected an image, or a path per line"))
    if _is_image(line):
        content = line + stdin.read(_MOST_BYTES)
        yield _picture("-", content) if len(content) <= _MOST_BYTES else Item("-", ImageError(_TOO_LONG))
        return
    paths = 0
    while line:
        name = os.fsdecode(line).strip("\r\n")
        if len(line) == _LONGEST_LINE or any(letter < " " and letter != "\t" for letter in name):
            yield Item("-", ImageError("standard input is neither an image nor a path per line"))
            if not paths or b"\0" in line:  # what follows is no text either
                return
            while len(line) == _LONGEST_LINE and not line.endswith(b"\n"):  # skip the rest of a line that is too long for a path
                line = stdin.readline(_LONGEST_LINE)
        elif name:
            paths += 1
            yield Path(name)
        line = stdin.readline(_LONGEST_LINE)


def _is_image(line: bytes) -> bool:
    """Whether the first line is of an image file. BMP and WebP begin with letters, as a path may, but a path has a suffix and no NUL."""
    return line.startswith(_MAGIC) or (line.startswith((b"BM", b"RIFF")) and (b"\x00" in line or b"." not in line))


def _items_of(image_set: ImageSet) -> Iterator[Item]:
    try:
        with image_set.open() as images:
            for position, picture in enumerate(images.pictures(0, image_set.count, image_set.text)):
                yield Item(image_set.source(position), picture)
    except InputError as error:
        yield Item(image_set.text, error)


def _resolve_path(text: str) -> Names | ImageSet | Item:
    path = Path(text)
    try:
        return find_image_set(text) or (Names(path, tuple(image_names(path))) if path.is_dir() else Names(Path(), (text,)))
    except InputError as error:
        return Item(text, error)


def _picture(name: str, content: bytes) -> Item:
    import io

    try:
        return Item(name, read_picture(name, io.BytesIO(content)))
    except InputError as error:
        return Item(name, error)
