"""The accuracy gate: two models on the same images, paired, and whether what was lost is little enough.

Pure functions of predicted classes; edge_runtime.manifest has the records.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from edge_runtime.errors import BadArgument
from edge_runtime.manifest import Comparison, Verdict
from edge_runtime.statistics import accuracy_of

Classes = NDArray[np.integer]


def compare(split: str, labels: Classes, reference: Classes, candidate: Classes) -> Comparison:
    """Compare two models' predictions on the same images.

    Args:
        split: the name of the set of images.
        labels: [N], what is right.
        reference: [N], what the float model says.
        candidate: [N], what the quantised model says.

    Returns:
        Accuracies, agreement, exact McNemar p, the drop in percentage points with its 95 % interval, and the drop of each class.

    Raises:
        ValueError: lengths differ, or there are no images.
    """
    right_before, right_now = reference == labels, candidate == labels
    lost, gained = int(np.sum(right_before & ~right_now)), int(np.sum(~right_before & right_now))
    low, high = tango_interval(lost, gained, len(labels))
    return Comparison(
        split=split,
        reference=accuracy_of(reference, labels),
        candidate=accuracy_of(candidate, labels),
        agreeing=int(np.sum(reference == candidate)),
        lost=lost,
        gained=gained,
        mcnemar_p=mcnemar_p(lost, gained),
        drop=100 * (lost - gained) / len(labels),
        drop_interval=(100 * low, 100 * high),
        class_drops=_class_drops(labels, right_before, right_now),
    )


def judge(comparison: Comparison, max_drop: float) -> Verdict:
    """Pass if the upper bound of the drop is within `max_drop` percentage points.

    Raises:
        BadArgument: `max_drop` is not within 0 to 100.
    """
    if not 0 <= max_drop <= 100:
        raise BadArgument(f"the drop that is allowed is {max_drop} points, expected 0 to 100")
    upper = comparison.drop_interval[1]
    passed = upper <= max_drop
    allowed = f"{max_drop:g} {'are' if passed else 'were'} allowed"
    reason = f"the drop on {comparison.split} is at most {upper:.2f} points (95 % interval), {allowed}"
    return Verdict(float(max_drop), passed, reason)


def mcnemar_p(lost: int, gained: int) -> float:
    """Two-sided p of McNemar's exact test: that of a fair coin for the images on which exactly one model is right; 1 without any.

    Source: Q. McNemar, Psychometrika 12 (1947); exact form as in A. Agresti, Categorical Data Analysis, section 11.1.
    """
    return float(binomtest(lost, lost + gained, 0.5).pvalue) if lost + gained else 1.0


def tango_interval(lost: int, gained: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of the difference of two paired proportions, (lost - gained) / total.

    Holds its coverage for few discordant images, where Wald's interval does not.
    Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
    Statistics in Medicine 17 (1998).

    Raises:
        ValueError: counts that cannot be.
    """
    if min(lost, gained) < 0 or lost + gained > total or total == 0:
        raise ValueError(f"{lost} lost and {gained} gained of {total}")
    z = float(norm.ppf((1 + level) / 2))
    drop, edge = (lost - gained) / total, 1 - 1e-12

    def bound(target: float, limit: float) -> float:
        """Where the score statistic is `target`, between the drop itself and `limit`; `limit` if it stays nearer to 0 all the way."""
        if abs(_tango_score(limit, lost, gained, total)) <= z:
            return limit
        return float(brentq(lambda delta: _tango_score(delta, lost, gained, total) - target, min(drop, limit), max(drop, limit)))

    return min(drop, bound(z, -edge)), max(drop, bound(-z, edge))


def _tango_score(delta: float, lost: int, gained: int, total: int) -> float:
    """Tango's statistic for the hypothesis that the difference is `delta`; falls as `delta` grows."""
    a = 2 * total
    b = -lost - gained + (2 * total - lost + gained) * delta
    c = -gained * delta * (1 - delta)
    restricted = (sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = total * (2 * restricted + delta * (1 - delta))
    distance = lost - gained - total * delta
    return distance / sqrt(variance) if variance > 0 else 0.0 if distance == 0 else float(np.copysign(np.inf, distance))


def _class_drops(labels: Classes, right_before: NDArray[np.bool_], right_now: NDArray[np.bool_]) -> tuple[float, ...]:
    """Drop of each class in percentage points of its images; 0 for a class without images here."""
    change = right_before.astype(int) - right_now.astype(int)
    classes = int(labels.max()) + 1
    return tuple(100 * float(change[labels == label].mean()) if (labels == label).any() else 0.0 for label in range(classes))
