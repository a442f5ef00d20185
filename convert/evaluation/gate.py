"""The accuracy gate: two models on the same images, paired, and whether what was lost is little enough.

Pure functions of predicted classes; edge_runtime.model.manifest has the records.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from edge_runtime.common.intervals import accuracy_of, wilson_interval
from edge_runtime.errors import BadArgument
from edge_runtime.model.manifest import Comparison, Verdict

Classes = NDArray[np.integer]


@dataclass(frozen=True)
class Limits:
    """What a converted model has to hold on the test images to pass.

    max_drop: percentage points of accuracy that may be lost; the upper end of the drop's 95 % interval has to be within it.
    min_accuracy: in percent; the lower end of the accuracy's 95 % interval has to reach it.
    min_agreement: share of images in percent on which both models say the same, which the lower end of its 95 % interval has to reach.

    Raises:
        BadArgument: a limit is not within 0 to 100.
    """

    max_drop: float = 0.5
    min_accuracy: float | None = None
    min_agreement: float | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("drop", self.max_drop),
            ("least accuracy", self.min_accuracy),
            ("least agreement", self.min_agreement),
        ):
            if value is not None and not 0 <= value <= 100:
                raise BadArgument(f"the {name} that is allowed is {value}, expected 0 to 100")


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
    classes = _discordant_by_class(labels, right_before, right_now)
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
        class_drops=tuple(100 * (lost - gained) / max(count, 1) for lost, gained, count in classes),
    )


def judge(comparison: Comparison, limits: Limits) -> Verdict:
    """Pass if what was lost is proven to be within the limits: not the figures themselves but the ends of their 95 % intervals count."""
    split, upper = comparison.split, comparison.drop_interval[1]
    allowed = f"{limits.max_drop:g} {'are' if upper <= limits.max_drop else 'were'} allowed"
    findings = [(upper <= limits.max_drop, f"the drop on {split} is at most {upper:.2f} points (95 % interval), {allowed}")]
    for name, (low, _high), least in (
        ("accuracy", comparison.candidate.interval, limits.min_accuracy),
        ("agreement", wilson_interval(comparison.agreeing, comparison.candidate.total), limits.min_agreement),
    ):
        if least is not None:
            findings.append((low >= least, f"the {name} on {split} is at least {low:.2f} % (95 % interval), {least:g} demanded"))
    passed = all(holds for holds, _ in findings)
    # A refusal says what it is for and nothing else.
    reason = "; ".join(text for holds, text in findings if passed or not holds)
    return Verdict(float(limits.max_drop), passed, reason)


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
    # The variance is 0 only where nothing was lost or gained, at a difference of 0: there the hypothesis fits exactly.
    return (lost - gained - total * delta) / sqrt(variance) if variance > 0 else 0.0


def class_drop_intervals(labels: Classes, reference: Classes, candidate: Classes) -> tuple[tuple[float, float], ...]:
    """Interval of the drop of each class in percentage points, all of which hold at once with 95 %.

    Tango's interval at the level that Bonferroni's correction asks for with as many looks as there are classes. For a class without images
    everything is possible.

    Args:
        labels: [N], what is right.
        reference: [N], what the float model says.
        candidate: [N], what the quantised model says.
    """
    classes = _discordant_by_class(labels, reference == labels, candidate == labels)
    intervals = []
    for lost, gained, count in classes:
        low, high = tango_interval(lost, gained, count, level=1 - 0.05 / len(classes)) if count else (-1.0, 1.0)
        intervals.append((100 * low, 100 * high))
    return tuple(intervals)


def _discordant_by_class(
    labels: Classes, right_before: NDArray[np.bool_], right_now: NDArray[np.bool_]
) -> list[tuple[int, int, int]]:
    """Of each class: how many images were lost, how many gained, and how many there are."""
    found = []
    for label in range(int(labels.max()) + 1):
        images = labels == label
        lost, gained = int(np.sum(images & right_before & ~right_now)), int(np.sum(images & ~right_before & right_now))
        found.append((lost, gained, int(images.sum())))
    return found
