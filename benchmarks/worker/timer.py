"""Timing calls in one process: warm-up until times settle, groups of calls that are too short, and the overhead of the harness.

A clock has a resolution (its step) and a cost. The step is a random error of each sample, so it decides how many calls make a sample. The
cost of a reading is the same in every sample; it is measured, with the rest of the harness's overhead, by calls that do nothing
(`empty_calls`). It shifts a median by a known amount, so it needs no longer groups.

Standard library alone: this runs in the environments of other packages too.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

WINDOW = 32  # calls of the warm-up that one median is taken of
AGREEING = 3  # windows that must agree before the warm-up ends
AGREEMENT = 0.02  # maximum relative difference of their medians
LONGEST_WARM_UP = 2_000_000_000  # ns; calls that never settle are measured all the same, with a warning
SLOW_CALL, SLOW_WINDOW = 10_000_000, 5  # ns; calls of at least that duration have windows of 5
SHORTEST_SAMPLE = 20_000  # ns
MAX_GROUP = 1_000_000  # calls; the maximum in results files too
CLOCK_STEPS = 200  # in the shortest sample, so that a step is at most 0.5 % of it
_SURELY_LONG = 10  # times the shortest sample: such a call needs no group, even if the machine was busy when it was timed
_TRIES, _TRIES_NS = 5, 10_000_000  # tries last longer together than a time slice of another program
_READINGS, _STEPS_SEEN = 4_000, 20  # at least, to find the clock's step
_SPINS = 64  # different amounts of work between readings

Call = Callable[[Any], object]


@dataclass(frozen=True)
class Settled:
    """The end of a warm-up: its calls, whether the last windows agreed, and the median of the last window in nanoseconds."""

    calls: int
    agreed: bool
    median_ns: float


def time_calls(call: Call, inputs: Sequence[Any], start: int, count: int, group: int = 1) -> list[int]:
    """Nanoseconds of `count` groups of `group` calls, each with the next of `inputs`, which repeat, from index `start` on."""
    clock, size, samples = time.perf_counter_ns, len(inputs), []
    for first in range(start, start + count * group, group):
        chosen = [inputs[number % size] for number in range(first, first + group)]
        before = clock()
        for value in chosen:
            call(value)
        samples.append(clock() - before)
    return samples


def settle(
    call: Call,
    inputs: Sequence[Any],
    *,
    window: int = WINDOW,
    agreeing: int = AGREEING,
    agreement: float = AGREEMENT,
    limit_ns: int = LONGEST_WARM_UP,
) -> Settled:
    """Call until the medians of the last `agreeing` windows lie within `agreement` of each other, or the limit has passed.

    Medians, so that one interruption does not prolong the warm-up. Several windows, since two may agree while a machine still speeds up.
    Slow calls have shorter windows, so that there are several before the limit.
    """
    medians: list[float] = []
    begun = time.perf_counter_ns()
    times = time_calls(call, inputs, 0, min(2, window))
    if min(times) >= SLOW_CALL:
        window = min(window, SLOW_WINDOW)
    while True:
        start = len(medians) * window + len(times)
        times += time_calls(call, inputs, start, window - len(times))
        medians.append(statistics.median(times))
        times = []
        last = medians[-agreeing:]
        agreed = len(last) == agreeing and max(last) - min(last) <= agreement * max(last)
        if agreed or time.perf_counter_ns() >= begun + limit_ns:
            return Settled(len(medians) * window, agreed, medians[-1])


def typical_ns(call: Call, inputs: Sequence[Any], median_ns: float, step_ns: int) -> float:
    """Nanoseconds of a call: the mean of as many as make a sample, or the median of its warm-up if one call is surely long enough."""
    shortest = shortest_sample(step_ns)
    if median_ns >= _SURELY_LONG * shortest:
        return median_ns
    return _fastest_mean(lambda count: time_calls(call, inputs, 0, 1, count)[0], shortest)


def _fastest_mean(work: Callable[[int], int], shortest_ns: int) -> float:
    """Nanoseconds of one of the `count` parts of `work(count)`, which returns those of all.

    `count` doubles until the fastest of several tries lasts `shortest_ns`. The fastest, since disturbances only lengthen a try; the mean
    of a busy moment would make groups that are too short in a quiet one.
    """
    count = 1
    while True:
        took: list[int] = []
        while len(took) < _TRIES or sum(took) < _TRIES_NS:
            took.append(work(count))
            if took[-1] < shortest_ns:
                break
        else:
            return min(took) / count
        count *= 2


def shortest_sample(step_ns: int) -> int:
    """The minimum duration of a sample in nanoseconds, on a clock with such steps."""
    return max(SHORTEST_SAMPLE, CLOCK_STEPS * step_ns)


def group_size(call_ns: float, step_ns: int) -> int:
    """The calls of a sample that is long enough for the clock: 1 for all but the fastest calls."""
    return min(MAX_GROUP, max(1, -(-shortest_sample(step_ns) // max(1, int(call_ns)))))


def clock_step() -> int:
    """The resolution of the clock in nanoseconds, however many steps a reading takes.

    Two readings may never be a single step apart, but all differences are whole numbers of steps. With different amounts of work between
    readings, the two closest differences are one step apart. A step need not be a whole number of nanoseconds, so a difference may occur
    in two roundings; three consecutive numbers mean steps of 1.
    """
    seen = _differences()
    if any(last - first == 2 for first, _, last in zip(seen, seen[1:], seen[2:], strict=False)):
        return 1
    apart = [seen[0], *(later for earlier, later in pairwise(seen) if later - earlier > 1)]
    return min((later - earlier for earlier, later in pairwise(apart)), default=1 if len(seen) > 1 else seen[0])


def _differences() -> list[int]:
    """The distinct differences of successive readings, sorted; 0 is among them if two readings were equal.

    Without the longer half of them, during which the system may have adjusted the clock's rate.
    """
    clock, stood_still, number = time.perf_counter_ns, False, 0
    moved: list[int] = []
    before = clock()
    while number < _READINGS or len(moved) < _STEPS_SEEN:
        for _ in range(number % _SPINS):
            pass
        after = clock()
        if after > before:
            moved.append(after - before)
        else:
            stood_still = True
        before, number = after, number + 1
    return sorted({*sorted(moved)[: len(moved) // 2], *([0] if stood_still else [])})


def clock_cost(step_ns: int) -> int:
    """Nanoseconds of a reading of the clock, from loops that are long enough for a clock with such steps."""
    clock = time.perf_counter_ns

    def read(count: int) -> int:
        before = clock()
        for _ in range(count - 1):
            clock()
        return clock() - before

    return round(_fastest_mean(read, shortest_sample(step_ns)))


def empty_calls(count: int = 1_000) -> list[int]:
    """Nanoseconds of calls that do nothing, timed as all others are: the harness's overhead in each sample."""
    settle(_nothing, [None])
    return time_calls(_nothing, [None], 0, count)


def _nothing(_: Any) -> None:
    pass


@contextmanager
def no_collection() -> Any:
    """Disable the garbage collector, whose time would count as that of the call it happens in."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
