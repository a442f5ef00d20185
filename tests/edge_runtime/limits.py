"""What a hostile input may cost: processor time, and bytes of memory."""

import contextlib
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

from tools.support.waiting import PATIENCE

SECONDS = 60  # of processor time: other work does not count


@contextlib.contextmanager
def within_memory(most: int) -> Iterator[None]:
    """So many bytes on top of what the process has now; what is beyond that is a MemoryError."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """A hang ends with a TimeoutError: after `SECONDS` of work, or `PATIENCE` of waiting, none of which a sound answer comes near."""
    with _limited(signal.ITIMER_PROF, signal.SIGPROF, SECONDS), _limited(signal.ITIMER_REAL, signal.SIGALRM, PATIENCE):
        yield


@contextlib.contextmanager
def _limited(timer: int, number: signal.Signals, seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds} s")

    before = signal.signal(number, stop)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)
