"""Timing calls in one process: a warm-up that the data end, groups for calls that are too short, and what the harness itself costs.

The standard library alone: this runs in the environments of the alternatives too.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

WINDOW = 32  # calls whose median stands for a moment of the warm-up
AGREEING = 3  # windows that have to agree before it ends
AGREEMENT = 0.02  # of each other
LONGEST_WARM_UP = 2_000_000_000  # ns; a call that never settles is measured all the same, and the results say so
SLOW_CALL, SLOW_WINDOW = 10_000_000, 5  # ns; calls that take so long, and how many of them are a window
SHORTEST_SAMPLE = 20_000  # ns
MOST_GROUP = 1_000_000  # calls; also the most that a results file may state
_SINGLE_STEPS = 10  # a call of CLOCK_STEPS / 10 steps can be timed by itself, to 5 %
CLOCK_STEPS = 200  # in the shortest sample: the clock's step is then at most 0.5 % of it

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
    """What a call takes: the median of its warm-up, or where the clock's step is too coarse for that, the mean of as many as it takes."""
    if median_ns * _SINGLE_STEPS >= CLOCK_STEPS * step_ns:
        return median_ns
    count = WINDOW
    while (took := time_calls(call, inputs, 0, 1, count)[0]) < CLOCK_STEPS * step_ns:
        count *= 2
    return took / count


def group_size(call_ns: float, step_ns: int) -> int:
    """How many calls make a sample that is long enough for the clock: 1 for all but the fastest."""
    shortest = max(SHORTEST_SAMPLE, CLOCK_STEPS * step_ns)
    return min(MOST_GROUP, max(1, -(-shortest // max(1, int(call_ns)))))


def clock_step() -> int:
    """The smallest difference in nanoseconds that the clock was seen to show, of a thousand tries."""
    clock, steps = time.perf_counter_ns, []
    for _ in range(1_000):
        before = after = clock()
        while after == before:
            after = clock()
        steps.append(after - before)
    return min(steps)


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
