"""Statistics of a run's raw samples: medians with intervals, tails, ratios of two models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.results import BenchResult, ModelResult, Peaks, Turn
from benchmarks.stats.percentiles import percentile, supports
from benchmarks.stats.student import t_quantile


@dataclass(frozen=True)
class Ratio:
    """How many times as long one model took as another, with its 95 % interval; no interval from a single process."""

    value: float
    interval: tuple[float, float] | None


def median_ns(turns: Sequence[Turn]) -> int:
    """Median nanoseconds of a call, each sample divided by its calls; the upper of two middle ones.

    Of few samples too (`median_supported`): an uncertain figure is better than a missing model.
    """
    return int(np.percentile(per_call(turns).astype(np.int64), 50, method="higher"))


def median_supported(turns: Sequence[Turn]) -> bool:
    """Whether there are enough samples, 20, for the median to have an interval."""
    return supports(sum(len(turn.samples_ns) for turn in turns), 50)


def tail_ns(model: ModelResult, percent: int) -> int | None:
    """A high percentile of single calls in nanoseconds, since groups would average it away. None if there are too few calls."""
    return percentile(model.steady_ns, percent)


def tail_interval(model: ModelResult, percent: int) -> tuple[int, int] | None:
    """95 % interval of a high percentile in nanoseconds; None from a single process or of too few calls.

    Woodruff's interval: Student's t over the processes' shares of calls that took longer than the percentile, and the percentiles at the
    ends of that. Calls of one process are not independent, so processes are the unit, as for the median.
    Source: R. S. Woodruff, "Confidence intervals for medians and other position measures", JASA 47 (1952).
    """
    point = tail_ns(model, percent)
    calls: dict[int, list[int]] = {}
    for turn in model.turns:
        if turn.group == 1:
            calls.setdefault(turn.process, []).extend(turn.samples_ns)
    interval = (
        _interval([sum(sample > point for sample in samples) / len(samples) for samples in calls.values()]) if point else None
    )
    if point is None or interval is None:
        return None
    half = 100 * (interval[1] - interval[0]) / 2
    ends = (max(0.0, percent - half), min(100.0, percent + half))
    low, high = (int(end) for end in np.percentile(model.steady_ns, ends, method="higher"))
    return low, high


def per_call(turns: Sequence[Turn]) -> NDArray[np.float64]:
    """Nanoseconds of a call in each sample: float64 [N]."""
    return np.concatenate([np.asarray(turn.samples_ns, np.float64) / turn.group for turn in turns])


def at_numpys_speed_ns(model: ModelResult, peaks: Peaks | None) -> float | None:
    """Nanoseconds of a model at numpy's speed: its multiply-adds in a matrix product, or its weights copied, whichever takes longer.

    A yardstick, no bound: an interpreter's kernels can be faster than numpy's BLAS, and 8-bit ones faster than float32. None if unknown.
    """
    if peaks is None or not model.multiply_adds:
        return None
    return 1e9 * max(model.multiply_adds / max(peaks.multiply_adds), model.payload_bytes / max(peaks.bytes))


def added_ns(fewer: Sequence[Turn], more: Sequence[Turn]) -> tuple[float, tuple[float, float]]:
    """Nanoseconds that calls of `more` take longer, with the 95 % interval, from the medians of each process.

    Raises:
        ValueError: they were not timed in the same two or more processes.
    """
    before, after = process_medians(fewer), process_medians(more)
    if before.keys() != after.keys() or len(before) < 2:
        raise ValueError("not timed in the same processes, two at least")
    differences = [after[process] - before[process] for process in before]
    interval = _interval(differences)
    assert interval
    return mean(differences), interval


@dataclass(frozen=True)
class LoadGenComparison:
    """A percentile of a model in nanoseconds: by our timing, by LoadGen's, and by LoadGen's less its overhead per query."""

    ours: float
    loadgen: float
    without_overhead: float


def compare_with_loadgen(result: BenchResult, model: ModelResult, percent: int) -> LoadGenComparison | None:
    """The median (percent 50) or a tail by both timings; None if one of them has no such figure."""
    if result.loadgen is None:
        return None
    ours = median_ns(model.median_turns) if percent == 50 else tail_ns(model, percent)
    loadgen = result.loadgen.latency_ns(model.stored_label, percent)
    if ours is None or loadgen is None:
        return None
    overhead = median(result.loadgen.empty_ns) if result.loadgen.empty_ns else 0.0
    return LoadGenComparison(ours, loadgen, max(1.0, loadgen - overhead))


def process_medians(turns: Sequence[Turn]) -> dict[int, float]:
    """The median nanoseconds of a call in each process, by its number."""
    return {
        process: float(np.median(per_call([turn for turn in turns if turn.process == process])))
        for process in sorted({turn.process for turn in turns})
    }


def median_interval(turns: Sequence[Turn]) -> tuple[float, float] | None:
    """95 % interval of the median in nanoseconds; None from a single process, from too few samples, and for times of 0.

    Student's t over the logarithms of the processes' medians. Samples of one process share its memory layout and its moment, so they are
    not independent; processes are. Source: T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time", ISMM 2013.
    """
    medians = process_medians(turns)
    if not median_supported(turns) or min(medians.values()) == 0:  # a sweep with a coarse clock
        return None
    interval = _interval([math.log(value) for value in medians.values()])
    return interval and (math.exp(interval[0]), math.exp(interval[1]))


def log_ratios(model: ModelResult, reference: ModelResult) -> list[float]:
    """The logarithm of the ratio of the two models' medians, in each process that both were timed in."""
    medians, references = (process_medians(found.median_turns) for found in (model, reference))
    return [math.log(medians[process] / references[process]) for process in sorted(medians.keys() & references.keys())]


def ratio(model: ModelResult, reference: ModelResult) -> Ratio:
    """A model's median over the reference's, both from one interleaved run.

    The ratio is taken within each process, since what slows the machine for a while slows both. The value is the geometric mean over the
    processes, the interval is Student's t of its logarithm.

    Raises:
        ValueError: they were not timed in the same processes.
    """
    if {turn.process for turn in model.turns} != {turn.process for turn in reference.turns}:
        raise ValueError("the models were not timed in the same processes")
    logs = log_ratios(model, reference)
    interval = _interval(logs)
    return Ratio(math.exp(mean(logs)), interval and (math.exp(interval[0]), math.exp(interval[1])))


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    half = t_quantile(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def spread(medians: Mapping[int, float]) -> float:
    """The largest distance of a process's median from the median of all, as a share of it."""
    middle = median(medians.values())
    return max(abs(value - middle) for value in medians.values()) / middle
