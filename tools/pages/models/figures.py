"""Figures of model cards that need more than a count: spread over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from scipy.stats import t


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
