"""Watch a folder for new images."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.image_files import SUFFIXES

POLL_SECONDS = 0.2
_State = tuple[int, int]  # size in bytes, modification time in nanoseconds


def watch(folder: Path, wait: Callable[[float], object] = time.sleep) -> Iterator[Path]:
    """Yield image files added to a folder after this call, each once it has stopped growing; a file that is rewritten comes again.

    The folder is polled five times a second, since no notification service works on every file system that a board may have.

    Args:
        folder: the folder; its subfolders are ignored.
        wait: called with the seconds between two polls.

    Raises:
        ImageError: the folder cannot be read.
    """
    return _changes(folder, _states(folder), wait)


def _changes(folder: Path, done: dict[Path, _State], wait: Callable[[float], object]) -> Iterator[Path]:
    before = done
    while True:
        wait(POLL_SECONDS)
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
                except OSError:  # removed since it was listed, or a link to nothing or itself; it may come back
                    continue
                found[path] = (status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read ({error.strerror or error})") from error
    return found
