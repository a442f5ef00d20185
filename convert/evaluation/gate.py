"""The accuracy gate: paired comparison of two models on the same images, and the verdict.

Pure functions of predicted classes; edge_runtime.model.manifest has the records.
"""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from edge_runtime.common.intervals import accuracy_of, wilson_interval
from edge_runtime.errors import BadArgument
from edge_runtime.model.manifest import Comparison, Verdict

Classes = NDArray[np.integer]
DEFAULT_MAX_DROP = 0.5
"""Percentage points that a file may lose where nothing else is asked for."""


@dataclass(frozen=True)
class Limits:
    """Limits that a converted model must hold on the test images to pass.

    max_drop: percentage points; the upper end of the 95 % interval of the drop in accuracy must not exceed it. None for
        `DEFAULT_MAX_DROP`, or what the images can prove where they are too few for that.
    min_accuracy: percent; the lower end of the accuracy's 95 % interval must reach it.
    min_agreement: percent of images with the same label by both models; the lower end of its 95 % interval must reach it.

    Raises:
        BadArgument: a limit is not between 0 and 100.
    """

    max_drop: float | None = None
    min_accuracy: float | None = None
    min_agreement: float | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("max_drop", self.max_drop),
            ("min_accuracy", self.min_accuracy),
            ("min_agreement", self.min_agreement),
        ):
            if value is not None and not 0 <= value <= 100:
                raise BadArgument(f"{name} is {value}, expected 0 to 100")

    def allowed_drop(self, images: int) -> float:
        """The drop that is allowed on a number of images, in percentage points."""
        return max(DEFAULT_MAX_DROP, provable_drop(images)) if self.max_drop is None else self.max_drop

    def provable(self, images: int) -> "Limits":
        """These limits, none stricter than what a number of images can prove of any model."""
        most = wilson_interval(images, images)[0]
        return Limits(
            max(self.allowed_drop(images), provable_drop(images)),
            None if self.min_accuracy is None else min(self.min_accuracy, most),
            None if self.min_agreement is None else min(self.min_agreement, most),
        )


def provable_drop(images: int) -> float:
    """The upper end of the drop's 95 % interval if none of the images is lost or gained: percentage points, rounded up to hundredths."""
    return ceil(10_000 * tango_interval(0, 0, images)[1]) / 100


def images_to_prove(points: float) -> int:
    """The number of images whose interval ends at `points` percentage points (above 0) if none of them is lost or gained."""
    return ceil(float(norm.ppf(0.975)) ** 2 * (100 - points) / points)


def compare(split: str, labels: Classes, reference: Classes, candidate: Classes) -> Comparison:
    """Compare two models' predictions on the same images.

    Args:
        split: the name of the set of images.
        labels: [N], the true classes.
        reference: [N], the float model's predictions.
        candidate: [N], the quantised model's predictions.

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


def sample_size(images: int, points: float) -> str:
    """What a number of images can prove, and how many a drop of at most `points` takes; empty if these are enough."""
    if points >= (least := provable_drop(images)):
        return ""
    return f"{images:,} images prove no less than {least:g}" + (f", {points:g} takes {images_to_prove(points):,}" if points else "")


def judge(comparison: Comparison, limits: Limits) -> Verdict:
    """Pass a model if the 95 % intervals of its drop, accuracy and agreement are within the limits."""
    split, upper, images = comparison.split, comparison.drop_interval[1], comparison.candidate.total
    allowed = limits.allowed_drop(images)
    words = f"{allowed:g} {'are' if upper <= allowed else 'were'} allowed"
    if limits.max_drop is None and (too_few := sample_size(images, DEFAULT_MAX_DROP)):
        words += f" ({too_few})"
    findings = [(upper <= allowed, f"the drop on {split} is at most {upper:.2f} points (95 % interval), {words}")]
    for name, (low, _high), minimum in (
        ("accuracy", comparison.candidate.interval, limits.min_accuracy),
        ("agreement", wilson_interval(comparison.agreeing, images), limits.min_agreement),
    ):
        if minimum is not None:
            findings.append(
                (low >= minimum, f"the {name} on {split} is at least {low:.2f} % (95 % interval), {minimum:g} demanded")
            )
    passed = all(holds for holds, _ in findings)
    # A failure states only the limits that do not hold.
    reason = "; ".join(text for holds, text in findings if passed or not holds)
    return Verdict(float(allowed), passed, reason)


def mcnemar_p(lost: int, gained: int) -> float:
    """Two-sided p of McNemar's exact test, a binomial test of the images on which exactly one model is right; 1 without any.

    Source: Q. McNemar, Psychometrika 12 (1947); exact form as in A. Agresti, Categorical Data Analysis, section 11.1.
    """
    return float(binomtest(lost, lost + gained, 0.5).pvalue) if lost + gained else 1.0


def tango_interval(lost: int, gained: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of the difference of two paired proportions, (lost - gained) / total.

    Its coverage holds for few discordant images, where that of Wald's interval does not.
    Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
    Statistics in Medicine 17 (1998).

    Raises:
        ValueError: impossible counts.
    """
    if min(lost, gained) < 0 or lost + gained > total or total == 0:
        raise ValueError(f"impossible counts: {lost} lost and {gained} gained of {total}")
    z = float(norm.ppf((1 + level) / 2))
    drop, edge = (lost - gained) / total, 1 - 1e-12

    def bound(target: float, limit: float) -> float:
        """Where the score statistic reaches `target` between the drop and `limit`; `limit` if it does not."""
        if abs(_tango_score(limit, lost, gained, total)) <= z:
            return limit
        return float(brentq(lambda delta: _tango_score(delta, lost, gained, total) - target, min(drop, limit), max(drop, limit)))

    return min(drop, bound(z, -edge)), max(drop, bound(-z, edge))


def _tango_score(delta: float, lost: int, gained: int, total: int) -> float:
    """Tango's statistic for the hypothesis that the difference is `delta`; decreasing in `delta`."""
    a = 2 * total
    b = -lost - gained + (2 * total - lost + gained) * delta
    c = -gained * delta * (1 - delta)
    restricted = (sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = total * (2 * restricted + delta * (1 - delta))
    # The variance is 0 only if nothing was lost or gained and delta is 0: the hypothesis fits exactly.
    return (lost - gained - total * delta) / sqrt(variance) if variance > 0 else 0.0


def class_drop_intervals(labels: Classes, reference: Classes, candidate: Classes) -> tuple[tuple[float, float], ...]:
    """Simultaneous 95 % intervals of the drop of each class in percentage points.

    Tango's intervals with Bonferroni's correction for the number of classes; -100 to 100 for a class without images.

    Args:
        labels: [N], the true classes.
        reference: [N], the float model's predictions.
        candidate: [N], the quantised model's predictions.
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
    """For each class: the number of images lost, gained, and in all."""
    counts = []
    for label in range(int(labels.max()) + 1):
        images = labels == label
        lost, gained = int(np.sum(images & right_before & ~right_now)), int(np.sum(images & ~right_before & right_now))
        counts.append((lost, gained, int(images.sum())))
    return counts
