"""Statements about means of groups with an interval over seeds: the arithmetic behind findings.

A group is the figures of one setting, one for each seed. A contrast is a weighted sum of group means; its variance is estimated from the
spread within each group, which may differ between groups, and its degrees of freedom as B. L. Welch, "The generalization of 'Student's'
problem when several different population variances are involved", Biometrika 34 (1947), and F. E. Satterthwaite (1946) have it.
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
    """A value with an interval; without one if a group has a single seed, which leaves every claim about it undecided."""

    value: float
    low: float | None = None
    high: float | None = None

    def __neg__(self) -> "Estimate":
        """The same quantity counted the other way round."""
        return Estimate(-self.value, None if self.high is None else -self.high, None if self.low is None else -self.low)


def contrast(
    groups: Mapping[Group, Sequence[float]], weights: Mapping[Group, float], resolution: float, comparisons: int = 1
) -> Estimate:
    """Weighted sum of group means, with an interval.

    Args:
        groups: figures of each group.
        weights: of those groups that take part.
        resolution: the step between two possible figures. Equal figures do not prove that nothing varies: a group's variance is taken to be
            that of rounding to such steps at least.
        comparisons: how many intervals have to hold together; each is widened as C. E. Bonferroni has it.
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
    freedom = total**2 / math.fsum(part**2 / degrees for part, degrees in parts)
    half = _quantile(1 - (1 - LEVEL) / 2 / comparisons, freedom) * math.sqrt(total)
    return Estimate(value, value - half, value + half)


def verdict(estimate: Estimate, margin: float) -> Verdict:
    """Whether a quantity is above 0: yes if its whole interval is; no if the interval does not even reach `margin`; else undecided."""
    if estimate.low is None or estimate.high is None:
        return "undecided"
    if estimate.low > 0:
        return "yes"
    return "no" if estimate.high < margin else "undecided"


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Whether all hold: no if one does not, undecided if one is open, or if there are none."""
    if "no" in verdicts:
        return "no"
    return "undecided" if "undecided" in verdicts or not verdicts else "yes"


def any_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Whether one holds: yes if one does, undecided if one is open, or if there are none."""
    if "yes" in verdicts:
        return "yes"
    return "undecided" if "undecided" in verdicts or not verdicts else "no"


def _variance(figures: Sequence[float], resolution: float) -> float:
    return max(variance(figures), resolution**2 / 12)


def _quantile(share: float, freedom: float) -> float:
    from scipy.stats import t  # takes half a second to load

    return float(t.ppf(share, freedom))
