"""Percentiles of raw samples, and whether there are enough samples for one."""

from collections.abc import Sequence

import numpy as np

_SAMPLES_BEYOND = 10


def percentile(samples: Sequence[int], percent: int) -> int | None:
    """A percentile of integer nanoseconds, or None where the samples cannot support it.

    Supported are percentiles with at least ten samples on either side of them: 20 for the median, 100 for p90, 1,000 for p99.
    """
    beyond = len(samples) * min(percent, 100 - percent) / 100
    if beyond < _SAMPLES_BEYOND:
        return None
    return int(np.percentile(samples, percent, method="higher"))
