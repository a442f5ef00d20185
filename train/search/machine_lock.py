"""Readers-writer lock of a machine: a latency measurement runs while no trial trains, in whatever process.

Trainings share the lock, a measurement holds it alone (flock). A measurement need not wait for a training to end: between two batches each
training releases the lock and takes it again.

Measurements do not starve. flock is not fair, so there is a second lock, the gate: everybody holds it while waiting for the lock, and a
measurement keeps it until it is done. New trainings wait at the gate; those inside leave after their batch.

There is no deadlock: all take the gate before the lock, and release the lock before they wait for the gate. (A thread must not measure
while it holds the lock for training.) The kernel releases both when a process ends, however it ends.

filelock's ReadWriteLock is no replacement: it needs write access to an SQLite file, which in /tmp belongs to one user, and Ctrl-C does not
interrupt a wait for it.

Other programs, other containers and trainings outside of a search are not held back, so each measurement records how busy the machine was.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.errors import DigitsError

_GATE, _LOCK = "edge-digits-gate.lock", "edge-digits-machine.lock"


@contextmanager
def training_lock(folder: Path | None = None) -> Iterator[Callable[[], None]]:
    """Share the machine with other trainings.

    Args:
        folder: where the two lock files are; the system's folder for temporary files if None.

    Yields:
        A function to call between batches, which lets waiting measurements run first.
    """
    with _opened(_GATE, folder) as gate, _opened(_LOCK, folder) as lock:

        def yield_to_measurements() -> None:
            fcntl.flock(lock, fcntl.LOCK_UN)
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_SH)
            fcntl.flock(gate, fcntl.LOCK_UN)

        yield_to_measurements()
        yield yield_to_measurements


@contextmanager
def measurement_lock(folder: Path | None = None) -> Iterator[None]:
    """Hold the machine alone: waits for the current batches of all trainings, and for other measurements."""
    with _opened(_GATE, folder) as gate, _opened(_LOCK, folder) as lock:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(name: str, folder: Path | None) -> Iterator[int]:
    """A lock file's descriptor; closing it releases the lock."""
    path = (folder or Path(tempfile.gettempdir())) / name
    try:
        descriptor = _open(path)
    except OSError as error:
        raise DigitsError(f"{path}: cannot be opened as a lock ({error.strerror or error})") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Open for reading, which is enough to lock. O_CREAT only if it is missing: Linux refuses it in /tmp for another user's file."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CREAT, 0o644)
