"""Images by words: files, folders, patterns, standard input; read ahead on threads, given in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, TypeVar

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import ImageError, InputError
from edge_runtime.inputs.image_sets import Stored, find_stored, is_stored
from edge_runtime.preprocessing.image_files import SUFFIXES, Picture, image_names, read_picture

_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*")
_LONGEST_LINE = 65_536
_MOST_BYTES = 256 * 2**20  # of an image on standard input: 64 million pixels of four bytes
_TOO_LONG = f"standard input: has more than {_MOST_BYTES:,} bytes, too many for an image"
_SPECIAL = "*?["
Given = TypeVar("Given")
Found = TypeVar("Found")


@frozen_dataclass
class Names:
    """Files by their names in a folder."""

    folder: Path
    names: tuple[str, ...]

    def __iter__(self) -> Iterator[Path]:
        return (self.folder / name for name in self.names)


@frozen_dataclass
class Item:
    """A picture with the name that its answer goes by, or why it could not be used."""

    source: str
    picture: Picture | InputError


def expanded(words: Iterable[str], stdin: BinaryIO) -> Iterator[Item | Path]:
    """What words mean, in their order: paths of pictures that are to be read, and items that are read, or could not be.

    Args:
        words: each a file, a folder (its image files, by name), a file of many images (`stored`), a pattern such as `scans/*.png` (what it
            fits, by name; a file of that very name goes first), or "-" for standard input: an image, or a stream of paths, one a line.
        stdin: standard input, read as it comes.
    """
    for word in words:
        if word == "-":
            yield from of_stdin(stdin)
            continue
        for found in find(word):
            yield from [found] if isinstance(found, Item) else found if isinstance(found, Names) else _items_of(found)


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


def find(word: str) -> Iterator[Names | Stored | Item]:
    """What a word stands for: files, files of many images, and items for what cannot be used. Only names are read."""
    path = Path(word)
    if not word:
        yield Item(word, ImageError("'' names no file"))
        return
    if path.exists() or not any(letter in word for letter in _SPECIAL):
        yield _found(word)
        return
    import glob

    found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  # Path.glob wants folder and pattern apart
    if not found:
        yield Item(word, ImageError(f"{word}: no file fits this pattern"))
    for is_file, names in groupby(found, _is_image_file):
        if is_file:
            yield Names(Path(), tuple(names))
        else:
            yield from (_found(name) for name in names if len(found) == 1 or Path(name).is_dir() or is_stored(name))


def _is_image_file(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not Path(name).is_dir()


def of_stdin(stdin: BinaryIO) -> Iterator[Item | Path]:
    """The image on standard input, or the paths, one a line."""
    line = stdin.readline(_LONGEST_LINE)
    if not line:
        yield Item("-", ImageError("standard input is empty; it takes an image, or paths, one a line"))
    if _is_image(line):
        content = line + stdin.read(_MOST_BYTES)
        yield _picture("-", content) if len(content) <= _MOST_BYTES else Item("-", ImageError(_TOO_LONG))
        return
    while line:
        yield from _of_line(line)
        while len(line) == _LONGEST_LINE and not line.endswith(b"\n"):  # the rest of what is too long for a path
            line = stdin.readline(_LONGEST_LINE)
        line = stdin.readline(_LONGEST_LINE)


def _is_image(line: bytes) -> bool:
    """Whether an image file begins so. BMP and WebP begin with letters that a path may have too, but not with a path's NUL or suffix."""
    return line.startswith(_MAGIC) or (line.startswith((b"BM", b"RIFF")) and (b"\x00" in line or b"." not in line))


def _items_of(stored: Stored) -> Iterator[Item]:
    try:
        with stored.open() as images:
            for position, picture in enumerate(images.pictures(0, stored.count, stored.word)):
                yield Item(stored.source(position), picture)
    except InputError as error:
        yield Item(stored.word, error)


def _found(word: str) -> Names | Stored | Item:
    path = Path(word)
    try:
        return find_stored(word) or (Names(path, tuple(image_names(path))) if path.is_dir() else Names(Path(), (word,)))
    except InputError as error:
        return Item(word, error)


def _of_line(line: bytes) -> Iterator[Item | Path]:
    try:
        name = line.decode().strip("\r\n")
    except UnicodeDecodeError:
        name = "\0"
    if "\0" in name or len(line) == _LONGEST_LINE:
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
