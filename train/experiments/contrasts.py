"""Contrasts of group means with confidence intervals over seeds.

A group holds the values of one setting, one per seed. A contrast is a weighted sum of group means. Its variance is estimated within each
group, and its degrees of freedom after B. L. Welch, "The generalization of 'Student's' problem when several different population variances
are involved", Biometrika 34 (1947), and F. E. Satterthwaite (1946).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, variance
from typing import Literal, TypeVar

Group = TypeVar("Group")
Verdict = Literal["yes", "no", "undecided"]

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with a confidence interval; without one if a group has a single seed, so that claims are undecided."""

    value: float
    low: float | None = None
    high: float | None = None

    def __neg__(self) -> "Estimate":
        """The estimate of the negated quantity."""
        return Estimate(-self.value, None if self.high is None else -self.high, None if self.low is None else -self.low)


def contrast(
    groups: Mapping[Group, Sequence[float]], weights: Mapping[Group, float], resolution: float, comparisons: int = 1
) -> Estimate:
    """Weighted sum of group means, with a confidence interval.

    Args:
        groups: values of each group.
        weights: weight of each group; groups without one are ignored.
        resolution: step between possible values. Its rounding variance is the minimum variance of a group, since equal values do not prove
            that there is no variation.
        comparisons: number of simultaneous intervals; each is widened (Bonferroni).
    """
    used = {group: weight for group, weight in weights.items() if weight}
    value = math.fsum(weight * mean(groups[group]) for group, weight in used.items())
    if any(len(groups[group]) < 2 for group in used):
        return Estimate(value)
    parts = [
        (weight**2 * _variance(groups[group], resolution) / len(groups[group]), len(groups[group]) - 1)
        for group, weight in used.items()
    ]
    total = math.fsum(part for part, _ in parts)
    degrees_of_freedom = total**2 / math.fsum(part**2 / degrees for part, degrees in parts)
    half_width = _quantile(1 - (1 - LEVEL) / 2 / comparisons, degrees_of_freedom) * math.sqrt(total)
    return Estimate(value, value - half_width, value + half_width)


def verdict(estimate: Estimate, margin: float) -> Verdict:
    """Test whether a quantity is positive: "yes" if its interval is above 0, "no" if it is below `margin`, else "undecided"."""
    if estimate.low is None or estimate.high is None:
        return "undecided"
    if estimate.low > 0:
        return "yes"
    return "no" if estimate.high < margin else "undecided"


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Logical and: "no" if any is, else "undecided" if any is or there are none."""
    if "no" in verdicts:
        return "no"
    return "undecided" if "undecided" in verdicts or not verdicts else "yes"


def any_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Logical or: "yes" if any is, else "undecided" if any is or there are none."""
    if "yes" in verdicts:
        return "yes"
    return "undecided" if "undecided" in verdicts or not verdicts else "no"


def _variance(figures: Sequence[float], resolution: float) -> float:
    return max(variance(figures), resolution**2 / 12)


def _quantile(probability: float, degrees_of_freedom: float) -> float:
    from scipy.stats import t  # takes half a second to load

    return float(t.ppf(probability, degrees_of_freedom))
