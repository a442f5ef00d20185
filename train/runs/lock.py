"""Lock of a results folder: a run, an experiment or a search belongs to one process at a time.

flock on the folder itself: the kernel releases it however the process ends, and no lock file is left among the results, as with filelock.
NFS locks only what is open for writing, as a folder cannot be; there, a lock file in the folder is locked.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_runtime.errors import DigitsError

_LOCK_FILE = ".lock"


@contextmanager
def lock_folder(folder: Path, kind: str) -> Iterator[None]:
    """Create a folder if needed and lock it; remove it at the end if it is still empty.

    Args:
        folder: the folder.
        kind: what it holds, for the message, such as "experiment".

    Raises:
        DigitsError: another process has locked it, or it cannot be created or locked; the message says which.
    """
    try:
        handle = _lock(folder)
    except BlockingIOError as error:
        raise DigitsError(
            f"{folder}: another process works on this {kind}; wait for it to end, or choose another --name"
        ) from error
    except OSError as error:
        raise DigitsError(
            f"{folder}: cannot be created or locked ({error.strerror or error}); choose a folder on a local disk"
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # not empty
            folder.rmdir()  # before the lock is released: afterwards another process may have it
        os.close(handle)


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock of a folder until it is closed. BlockingIOError if another process has it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # its last owner removed it in between
            path, handle = _open_locked(folder)
            if _is_open(path, handle):
                return handle
            os.close(handle)


def _open_locked(folder: Path) -> tuple[Path, int]:
    """What is locked for a folder, and its descriptor."""
    try:
        return folder, _flock(folder, os.O_RDONLY)
    except (BlockingIOError, FileNotFoundError):
        raise
    except OSError:
        return folder / _LOCK_FILE, _flock(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT)


def _flock(path: Path, flags: int) -> int:
    handle = os.open(path, flags, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _is_open(path: Path, handle: int) -> bool:
    """Whether a descriptor is of what the path is now, which may have been removed and made again before it was locked."""
    return path.exists() and os.path.samestat(os.fstat(handle), path.stat())
