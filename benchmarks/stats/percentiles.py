"""Percentiles of raw samples, where there are enough samples."""

from collections.abc import Sequence

import numpy as np

_SAMPLES_BEYOND = 10


def supports(count: int, percent: int) -> bool:
    """Whether so many samples support a percentile: at least ten lie on either side of it, as of 20 for the median."""
    return count * min(percent, 100 - percent) / 100 >= _SAMPLES_BEYOND


def percentile(samples: Sequence[int], percent: int) -> int | None:
    """A percentile of integer nanoseconds, or None if there are too few samples: below 20 for the median, 100 for p90, 1,000 for p99."""
    if not supports(len(samples), percent):
        return None
    return int(np.percentile(samples, percent, method="higher"))
