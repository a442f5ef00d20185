"""Image files by their paths, folders and patterns; read ahead on threads, given in order."""

import glob
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from edge_runtime.errors import ImageError, InputError
from edge_runtime.images import SUFFIXES, Picture, find_images, read_picture

_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*")
_LONGEST_LINE = 65_536
_SPECIAL = "*?["
Given = TypeVar("Given")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Item:
    """A picture with the name that its answer goes by, or why it could not be used."""

    source: str
    picture: Picture | InputError


def expanded(words: Iterable[str], stdin: BinaryIO) -> Iterator[Item | Path]:
    """What words mean, in their order: paths of pictures that are to be read, and items that are read, or could not be.

    Args:
        words: each a file, a folder (its image files, by name), a pattern such as `scans/*.png` (what it fits, by name; a file of that
            very name goes first), or "-" for standard input: an image, or a stream of paths, one a line.
        stdin: standard input, read as it comes.
    """
    for word in words:
        if word == "-":
            yield from _of_stdin(stdin)
            continue
        try:
            yield from _paths(word)
        except InputError as error:
            yield Item(word, error)


def items(entries: Iterable[Item | Path], threads: int = 1) -> Iterator[Item]:
    """The pictures of paths, in their order, read on threads; more than a few files ahead are never read."""
    return ahead(read_item, entries, threads)


def ahead(work: Callable[[Given], Found], given: Iterable[Given], threads: int) -> Iterator[Found]:
    """`map(work, given)` on threads, in order, with two results for each thread waiting at most; without threads below 2."""
    if threads < 2:
        yield from map(work, given)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for entry in given:
            waiting.append(pool.submit(work, entry))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def read_item(entry: Item | Path) -> Item:
    """The picture of a path, or why it could not be used; what is an item already stays one."""
    if isinstance(entry, Item):
        return entry
    try:
        return Item(str(entry), read_picture(entry))
    except InputError as error:
        return Item(str(entry), error)


def _paths(word: str) -> Iterator[Path]:
    path = Path(word)
    if path.exists() or not any(letter in word for letter in _SPECIAL):
        yield from find_images(path)
        return
    found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  # Path.glob wants folder and pattern apart
    if not found:
        raise ImageError(f"{word}: no file fits this pattern")
    for name in found:
        if Path(name).is_dir():
            yield from find_images(Path(name))
        elif len(found) == 1 or name.lower().endswith(SUFFIXES):
            yield Path(name)


def _of_stdin(stdin: BinaryIO) -> Iterator[Item | Path]:
    line = stdin.readline(_LONGEST_LINE)
    if _is_image(line):
        yield _picture("-", line + stdin.read())
        return
    while line:
        yield from _of_line(line)
        line = stdin.readline(_LONGEST_LINE)


def _is_image(line: bytes) -> bool:
    """Whether an image file begins so. BMP and WebP begin with letters that a path may have too, but not with a path's NUL or suffix."""
    return line.startswith(_MAGIC) or (line.startswith((b"BM", b"RIFF")) and (b"\x00" in line or b"." not in line))


def _of_line(line: bytes) -> Iterator[Item | Path]:
    try:
        name = line.decode().strip("\r\n")
    except UnicodeDecodeError:
        yield Item("-", ImageError("standard input is neither an image nor paths, one a line"))
        return
    if name:
        yield Path(name)


def _picture(name: str, content: bytes) -> Item:
    import io

    try:
        return Item(name, read_picture(name, io.BytesIO(content)))
    except InputError as error:
        return Item(name, error)
