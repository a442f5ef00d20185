"""Answering without rest: does the board slow down as it warms, and what energy does an answer take?"""

from collections.abc import Iterator, Sequence

from benchmarks.results.results import Turn, Window
from benchmarks.system.energy import joule_meter
from benchmarks.system.monitor import Watch
from benchmarks.worker.client import Worker

_WINDOWS = 12  # or as many as there are seconds, if these are fewer


def window_seconds(seconds: int) -> list[float]:
    """How long each window is."""
    count = min(_WINDOWS, seconds)
    return [seconds / count for _ in range(count)]


def sustain(worker: Worker, subject: int, seconds: int, process: int, process_ids: Sequence[int]) -> Iterator[Window]:
    """Let a subject of a running child answer without rest, window after window: where it fails, there are those before.

    Args:
        worker: the child.
        subject: its number there.
        seconds: in all; none for 0.
        process: its number in the run.
        process_ids: all children of ours, whose work is not that of others.
    """
    read_energy = joule_meter()
    for number, length in enumerate(window_seconds(seconds)):
        watch, before = Watch(process_ids), read_energy()
        found = worker.sustain(subject, length)
        after = read_energy()
        turn = Turn(process, number, 1, found["group"], 0, None, tuple(found["samples_ns"]))
        microjoules = None if before is None or after is None or after < before else after - before  # the counter wraps
        yield Window(turn, watch.condition(f"window {number + 1}"), microjoules)
