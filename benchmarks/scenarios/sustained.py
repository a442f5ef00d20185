"""Sustained load: whether the board slows down as it warms up, and the energy of an answer."""

from collections.abc import Iterator, Sequence

from benchmarks.results.results import Turn, Window
from benchmarks.system.energy import joule_meter
from benchmarks.system.monitor import Watch
from benchmarks.worker.client import RunningBackend

_WINDOWS = 12  # but none shorter than a second


def window_seconds(seconds: int) -> list[float]:
    """The length of each window."""
    count = min(_WINDOWS, seconds)
    return [seconds / count for _ in range(count)]


def sustain(backend: RunningBackend, seconds: int, process: int, process_ids: Sequence[int]) -> Iterator[Window]:
    """Run a backend without a pause, and yield each window when it is over, so that a failure leaves the windows before it.

    Args:
        backend: the backend.
        seconds: of all windows together; 0 for none.
        process: number of the run's process.
        process_ids: of all workers, whose CPU time is not that of other programs.
    """
    read_energy = joule_meter()
    for number, length in enumerate(window_seconds(seconds)):
        watch, before = Watch(process_ids), read_energy()
        found = backend.sustain(length)
        after = read_energy()
        turn = Turn(process, number, 1, found.group, 0, None, tuple(found.samples_ns))
        microjoules = None if before is None or after is None or after < before else after - before  # the counter wrapped around
        yield Window(turn, watch.condition(f"window {number + 1}"), microjoules)
