"""Accuracies with confidence intervals."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass

_Z95 = 1.959963984540054


@frozen_dataclass
class Accuracy:
    """`correct` of `total` images, with the 95 % Wilson interval in percent."""

    correct: int
    total: int
    interval: tuple[float, float]

    def __post_init__(self) -> None:
        low, high = self.interval
        if not (0 <= self.correct <= self.total and self.total > 0 and 0 <= low <= self.percent <= high <= 100):
            raise ValueError(f"{self.correct} of {self.total} with interval {self.interval}")

    @property
    def percent(self) -> float:
        """The accuracy in percent."""
        return 100 * self.correct / self.total


def accuracy_of(predicted: NDArray[np.integer], labels: NDArray[np.integer]) -> Accuracy:
    """Accuracy of predicted classes, [N], given the labels, [N].

    Raises:
        ValueError: N is 0, or the lengths differ.
    """
    if predicted.shape != labels.shape or len(labels) == 0:
        raise ValueError(f"{predicted.shape} predictions for {labels.shape} labels")
    correct = int(np.sum(predicted == labels))
    return Accuracy(correct, len(labels), wilson_interval(correct, len(labels)))


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """95 % score interval of a proportion, in percent.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    share, z2 = correct / total, _Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    # At 0 and 100 % the bound equals the proportion up to rounding errors.
    percent = 100 * correct / total
    return max(0.0, min(percent, 100 * (centre - half))), min(100.0, max(percent, 100 * (centre + half)))
