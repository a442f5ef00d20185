"""Timing calls in one process: a warm-up that the data end, groups for calls that are too short, and what the harness itself costs.

A clock has two figures. Its step (resolution) is what a sample may err by at random, and what no subtraction mends: it decides how many
calls make a sample. What a reading costs is in every sample once, always the same, and is measured with all else that the harness adds by
calls that do nothing (`empty_calls`): it shifts a median by a known amount, so it asks for no longer groups.

The standard library alone: this runs in the environments of the alternatives too.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

WINDOW = 32  # calls whose median stands for a moment of the warm-up
AGREEING = 3  # windows that have to agree before it ends
AGREEMENT = 0.02  # of each other
LONGEST_WARM_UP = 2_000_000_000  # ns; a call that never settles is measured all the same, and the results say so
SLOW_CALL, SLOW_WINDOW = 10_000_000, 5  # ns; calls that take so long, and how many of them are a window
SHORTEST_SAMPLE = 20_000  # ns
MOST_GROUP = 1_000_000  # calls; also the most that a results file may state
CLOCK_STEPS = 200  # in the shortest sample: the clock's step is then at most 0.5 % of it
_SURELY_LONG = 10  # times the shortest sample: such a call needs no group, however busy the moment was
_TRIES, _MOMENT = 5, 10_000_000  # ns: tries last longer together than the system lets another program have the processor
_READINGS, _STEPS_SEEN = 4_000, 20  # that show the clock's step
_SPINS = 64  # lengths of the work between readings

Call = Callable[[Any], object]


@dataclass(frozen=True)
class Settled:
    """How a warm-up ended: after how many calls, whether the windows agreed, and the median of the last one in nanoseconds."""

    calls: int
    agreed: bool
    median_ns: float


def time_calls(call: Call, inputs: Sequence[Any], start: int, count: int, group: int = 1) -> list[int]:
    """Nanoseconds of `count` groups of `group` calls, each call with the next of `inputs`, from number `start` on."""
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

    Medians, so that one interruption does not prolong it; several windows, since two may agree while a machine is still speeding up. Slow
    calls have shorter windows, so that there are enough of them before the limit.
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
    """What a call takes: the mean of as many as make a sample, or the median of its warm-up where a call is surely one by itself."""
    shortest = shortest_sample(step_ns)
    if median_ns >= _SURELY_LONG * shortest:
        return median_ns
    return _fastest_mean(lambda count: time_calls(call, inputs, 0, 1, count)[0], shortest)


def _fastest_mean(work: Callable[[int], int], shortest_ns: int) -> float:
    """Nanoseconds of one of the `count` parts of `work(count)`, which gives what all took.

    There are so many that they last `shortest_ns` in the fastest of several tries: what disturbs can only lengthen one, and a mean of a
    busy moment would make groups that are too short in a quiet one.
    """
    count = 1
    while True:
        took: list[int] = []
        while len(took) < _TRIES or sum(took) < _MOMENT:
            took.append(work(count))
            if took[-1] < shortest_ns:
                break
        else:
            return min(took) / count
        count *= 2


def shortest_sample(step_ns: int) -> int:
    """The least that a sample should last, in nanoseconds, on a clock with such steps."""
    return max(SHORTEST_SAMPLE, CLOCK_STEPS * step_ns)


def group_size(call_ns: float, step_ns: int) -> int:
    """How many calls make a sample that is long enough for the clock: 1 for all but the fastest."""
    return min(MOST_GROUP, max(1, -(-shortest_sample(step_ns) // max(1, int(call_ns)))))


def clock_step() -> int:
    """The smallest step in nanoseconds that the clock shows: its resolution, however many steps a reading costs.

    Two readings may never be a single step apart, but all differences are whole numbers of steps: where they vary, by work of several
    lengths between the readings, the closest two of them are a step apart. A step need not be a whole number of nanoseconds, so the same
    difference comes in two roundings; three in a row are steps of 1.
    """
    seen = _differences()
    if any(last - first == 2 for first, _, last in zip(seen, seen[1:], seen[2:], strict=False)):
        return 1
    apart = [seen[0], *(later for earlier, later in pairwise(seen) if later - earlier > 1)]
    return min((later - earlier for earlier, later in pairwise(apart)), default=1 if len(seen) > 1 else seen[0])


def _differences() -> list[int]:
    """Different differences of readings of the clock, in order; 0 only where it stood still.

    Without the longer half of them, over which the system may have corrected the clock's rate.
    """
    clock, stood, number = time.perf_counter_ns, False, 0
    moved: list[int] = []
    before = clock()
    while number < _READINGS or len(moved) < _STEPS_SEEN:
        for _ in range(number % _SPINS):
            pass
        after = clock()
        if after > before:
            moved.append(after - before)
        else:
            stood = True
        before, number = after, number + 1
    return sorted({*sorted(moved)[: len(moved) // 2], *([0] if stood else [])})


def clock_cost(step_ns: int) -> int:
    """Nanoseconds that a reading of the clock takes, from loops of them that are long enough for a clock with such steps."""
    clock = time.perf_counter_ns

    def read(count: int) -> int:
        before = clock()
        for _ in range(count - 1):
            clock()
        return clock() - before

    return round(_fastest_mean(read, shortest_sample(step_ns)))


def empty_calls(count: int = 1_000) -> list[int]:
    """Nanoseconds of calls that do nothing, timed as all others are: what the harness adds to each sample."""
    settle(_nothing, [None])
    return time_calls(_nothing, [None], 0, count)


def _nothing(_: Any) -> None:
    pass


@contextmanager
def no_collection() -> Any:
    """Let the garbage collector rest: a collection within a call is not of that call."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
