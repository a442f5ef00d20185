"""A folder that is watched: pictures as they come."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.image_files import SUFFIXES

SECONDS = 0.2
_State = tuple[int, int]  # bytes, time of the last change


def watch(folder: Path, wait: Callable[[float], object] = time.sleep) -> Iterator[Path]:
    """Image files that come into a folder after this call, each once it no longer grows; one that is written again comes again.

    The folder is looked at five times a second: no system of notices works on every kind of file system that a board may have.

    Args:
        folder: which; those in it are not looked into.
        wait: called with the seconds between two looks.

    Raises:
        ImageError: the folder cannot be read.
    """
    return _changes(folder, _states(folder), wait)


def _changes(folder: Path, done: dict[Path, _State], wait: Callable[[float], object]) -> Iterator[Path]:
    before = done
    while True:
        wait(SECONDS)
        now = _states(folder)
        for path in sorted(now):
            if now[path] != done.get(path) and now[path] == before.get(path) and now[path][0]:
                done[path] = now[path]
                yield path
        done = {path: state for path, state in done.items() if path in now}
        before = now


def _states(folder: Path) -> dict[Path, _State]:
    found = {}
    try:
        for path in folder.iterdir():
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                try:
                    status = path.stat()
                except FileNotFoundError:  # gone since it was listed
                    continue
                found[path] = (status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read ({error.strerror or error})") from error
    return found
