"""Figures that are derived from the raw samples of a run: medians with intervals, tails, ratios of two models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.results import BenchResult, ModelResult, Peaks, Turn
from benchmarks.stats.percentiles import percentile, supports


@dataclass(frozen=True)
class Ratio:
    """How many times as long one model took as another, with its 95 % interval; no interval from a single process."""

    value: float
    interval: tuple[float, float] | None


def median_ns(turns: Sequence[Turn]) -> int:
    """Nanoseconds of a call: the median of all samples, each over the calls in it; the upper of two in the middle.

    Also of few samples, which `median_supported` tells: a figure that says little is better than a model that is missing.
    """
    return int(np.percentile(per_call(turns).astype(np.int64), 50, method="higher"))


def median_supported(turns: Sequence[Turn]) -> bool:
    """Whether there are enough samples for their median to be more than a hint, and to have an interval: 20."""
    return supports(sum(len(turn.samples_ns) for turn in turns), 50)


def tail_ns(model: ModelResult, percent: int) -> int | None:
    """A high percentile of single calls: groups would hide what happens to one. None where there are too few for it."""
    return percentile(model.steady_ns, percent)


def per_call(turns: Sequence[Turn]) -> NDArray[np.float64]:
    """Nanoseconds of a call, by sample: float64 [N]."""
    return np.concatenate([np.asarray(turn.samples_ns, np.float64) / turn.group for turn in turns])


def lower_bound_ns(model: ModelResult, limits: Peaks | None) -> float | None:
    """Nanoseconds by the roofline model: all multiply-adds at the peak, or all weights at the speed of copying, whichever takes longer.

    None where one of them is not known. The peak is of float32: what multiplies 8-bit numbers may be faster.

    Source: S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009.
    """
    if limits is None or not model.multiply_adds:
        return None
    return 1e9 * max(model.multiply_adds / max(limits.multiply_adds), model.payload_bytes / max(limits.bytes))


def added_ns(fewer: Sequence[Turn], more: Sequence[Turn]) -> tuple[float, tuple[float, float]]:
    """Nanoseconds that calls of `more` take longer, with the 95 % interval, from the medians of each process.

    Raises:
        ValueError: they were not timed in the same processes, two at least.
    """
    before, after = process_medians(fewer), process_medians(more)
    if before.keys() != after.keys() or len(before) < 2:
        raise ValueError("not timed in the same processes, two at least")
    differences = [after[process] - before[process] for process in before]
    interval = _interval(differences)
    assert interval
    return mean(differences), interval


@dataclass(frozen=True)
class BesideLoadGen:
    """A percentile of a model in nanoseconds: ours, LoadGen's, and LoadGen's without its own empty query."""

    ours: float
    theirs: float
    without_empty: float


def beside_loadgen(result: BenchResult, model: ModelResult, percent: int) -> BesideLoadGen | None:
    """The median (percent 50) or a tail by both clocks; None where one of them has it not."""
    if result.loadgen is None:
        return None
    ours = median_ns(model.median_turns) if percent == 50 else tail_ns(model, percent)
    theirs = result.loadgen.latency_ns(model.label, percent)
    if ours is None or theirs is None:
        return None
    empty = median(result.loadgen.empty_ns) if result.loadgen.empty_ns else 0.0
    return BesideLoadGen(ours, theirs, max(1.0, theirs - empty))


def process_medians(turns: Sequence[Turn]) -> dict[int, float]:
    """The median nanoseconds of a call in each process, by its number."""
    return {
        process: float(np.median(per_call([turn for turn in turns if turn.process == process])))
        for process in sorted({turn.process for turn in turns})
    }


def median_interval(turns: Sequence[Turn]) -> tuple[float, float] | None:
    """95 % interval of the median in nanoseconds; None from a single process, of too few samples, and where the clock saw nothing.

    Student's t over the logarithms of the processes' medians. Samples of one process share its memory layout and its moment, so they are
    no independent witnesses; processes are. Source: T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time", ISMM 2013.
    """
    medians = process_medians(turns)
    if not median_supported(turns) or min(medians.values()) == 0:  # a sweep by a coarse clock
        return None
    interval = _interval([math.log(value) for value in medians.values()])
    return interval and (math.exp(interval[0]), math.exp(interval[1]))


def log_ratios(candidate: ModelResult, reference: ModelResult) -> list[float]:
    """The logarithm of the quotient of the two models' medians, in each process that both were timed in."""
    mine, theirs = (process_medians(model.median_turns) for model in (candidate, reference))
    return [math.log(mine[process] / theirs[process]) for process in sorted(mine.keys() & theirs.keys())]


def ratio(candidate: ModelResult, reference: ModelResult) -> Ratio:
    """How many times the reference's median the candidate took, both from one interleaved run.

    The quotient is taken within each process: what slowed the machine for a while, slowed both. Over the processes, the geometric mean, and
    Student's t of its logarithm.

    Raises:
        ValueError: they were not timed in the same processes.
    """
    if {turn.process for turn in candidate.turns} != {turn.process for turn in reference.turns}:
        raise ValueError("the models were not timed in the same processes")
    logs = log_ratios(candidate, reference)
    interval = _interval(logs)
    return Ratio(math.exp(mean(logs)), interval and (math.exp(interval[0]), math.exp(interval[1])))


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    from scipy.stats import t  # a second, and not needed to describe a command

    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def spread(medians: Mapping[int, float]) -> float:
    """How far the processes' medians lie from their middle: the largest distance, as a share of it."""
    middle = median(medians.values())
    return max(abs(value - middle) for value in medians.values()) / middle
