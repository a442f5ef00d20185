"""Figures of model cards that need more than a count: spread over seeds, and the ratio of two latencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from benchmarks.latency import rounds
from benchmarks.results import ModelResult

_RESAMPLES = 2_000


@dataclass(frozen=True)
class OverSeeds:
    """Percentages of several seeds: mean with its 95 % interval (Student's t, so wide for few seeds), deviation, least and most."""

    mean: float
    deviation: float
    interval: tuple[float, float]
    least: float
    most: float


def over_seeds(percents: Sequence[float]) -> OverSeeds:
    """Sum up percentages of at least two seeds.

    Raises:
        StatisticsError: there are fewer.
    """
    low, high = interval_of_mean(percents)
    # An accuracy cannot leave 0 to 100, so neither does its interval.
    return OverSeeds(mean(percents), stdev(percents), (max(0.0, low), min(100.0, high)), min(percents), max(percents))


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of at least two values (Student's t).

    Raises:
        StatisticsError: there are fewer.
    """
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


@dataclass(frozen=True)
class Ratio:
    """Median latency of one model over that of another, with a 95 % interval."""

    value: float
    interval: tuple[float, float]


def median_ratio(candidate: ModelResult, reference: ModelResult) -> Ratio:
    """How many times the reference's median latency the candidate took, both from one interleaved run.

    The interval is a percentile bootstrap over the rounds in which the models took turns. A round is drawn for both models together: what
    slowed the machine for a while stays paired, and the calls of a round are not taken for independent.

    Raises:
        ValueError: they have not as many samples.
    """
    if len(candidate.steady_ns) != len(reference.steady_ns):
        raise ValueError(f"{len(candidate.steady_ns)} samples of one model, {len(reference.steady_ns)} of the other")
    mine, theirs = _by_round(candidate), _by_round(reference)
    draws = np.random.RandomState(0).randint(0, len(mine), (_RESAMPLES, len(mine)))
    ratios = [_middle(mine[drawn]) / _middle(theirs[drawn]) for drawn in draws]
    low, high = np.percentile(ratios, (2.5, 97.5))
    return Ratio(_middle(mine) / _middle(theirs), (float(low), float(high)))


def _by_round(model: ModelResult) -> NDArray[np.int64]:
    """Nanoseconds [rounds, calls of a round], without what is left over of a last, shorter round."""
    whole = len(model.steady_ns) // rounds(len(model.steady_ns))
    return np.array(model.steady_ns[: whole * rounds(len(model.steady_ns))]).reshape(-1, whole)


def _middle(times: NDArray[np.int64]) -> float:
    """The median as reports have it: a time that was measured."""
    return float(np.percentile(times, 50, method="higher"))
