"""Trainings and measurements of one machine taking turns, whatever processes they run in.

A training holds a lock of this machine that many may hold (shared flock), a measurement holds it alone (exclusive flock): so latency is
taken while no training of a search runs there. A measurement does not wait for a training's end. Between two batches a training lets go of
the lock and takes it again, and whoever measures gets in between.

Nobody starves. flock is not fair, and a lock that one training or another always holds would never come free. So there is a gate before it:
everybody holds the gate while they wait for the lock, and a measurement holds it until it is done. Trainings that come meanwhile wait at
the gate; those that are inside leave with their next batch.

Nobody deadlocks. All take the gate first and the lock then, and nobody waits for the gate with the lock in hand: a training lets go of the
lock before. (One thread must not measure within its own training's turn.)

Nobody is left behind. The kernel frees both when a process ends, however it ends.

What does not take part is not held back: other programs, other containers, trainings that are no trials. So each measurement says how busy
the machine was.
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
def training_turn(folder: Path | None = None) -> Iterator[Callable[[], None]]:
    """Be one of the trainings of this machine.

    Args:
        folder: where the lock's two files are; the system's folder for temporary files if not given.

    Yields:
        A function that lets measurements go first, if any wait; returns when they are done. To be called between batches.
    """
    with _opened(_GATE, folder) as gate, _opened(_LOCK, folder) as lock:

        def enter() -> None:
            fcntl.flock(lock, fcntl.LOCK_UN)
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_SH)
            fcntl.flock(gate, fcntl.LOCK_UN)

        enter()
        yield enter


@contextmanager
def measuring_turn(folder: Path | None = None) -> Iterator[None]:
    """Be the only one on this machine that trains or measures; waits for the batches at hand, and for other measurements."""
    with _opened(_GATE, folder) as gate, _opened(_LOCK, folder) as lock:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def only_process(path: Path, message: str) -> Iterator[None]:
    """Be the only process that holds the lock file at `path`.

    Raises:
        DigitsError: another one holds it; the text is `message`.
    """
    with _opened(path.name, path.parent) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DigitsError(message) from None
        yield


@contextmanager
def _opened(name: str, folder: Path | None) -> Iterator[int]:
    """A lock file's descriptor; closing it frees what is held."""
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
    """For reading is enough to lock. Not created if it is there: Linux refuses that in /tmp where another user made it."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CREAT, 0o644)
