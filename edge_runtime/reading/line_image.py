"""The input of the line model: the picture of a line of digits, reduced to 32 rows, with its contrast stretched."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.preprocessing.resampling import weights

HEIGHT = 32
"""Rows of the line model's input."""
GROUND, DARKEST = 15.0, 99.3
"""Percentiles of the ink that become 0 and 255: most of a line is ground, and a few of its pixels are full ink."""
LEAST_CONTRAST = 12.0
"""Minimum difference of these percentiles, in grey levels, so that noise on a blank line is not taken for ink."""

LineImage = NDArray[np.uint8]
"""uint8 [32, W], 0 = ground, 255 = ink."""


def line_image(ink: NDArray[np.float32]) -> LineImage:
    """Resize the picture of a line to 32 rows, and stretch its contrast.

    Args:
        ink: float32 [H, W], larger = darker.
    """
    height, width = ink.shape
    across = max(1, round(width * HEIGHT / height))
    down, right = (_resampled(count, length) for count, length in ((HEIGHT, height), (across, width)))
    return stretch_contrast(down @ ink @ right.T)


def stretch_contrast(ink: NDArray[np.floating]) -> LineImage:
    """Map ink in grey levels, larger = darker, linearly to 0 to 255 between two of its percentiles."""
    ground, darkest = np.percentile(ink, (GROUND, DARKEST))
    levels = (ink - ground) * (255 / max(darkest - ground, LEAST_CONTRAST))
    return np.asarray(levels.clip(0, 255).round(), np.uint8)


def _resampled(count: int, length: int) -> NDArray[np.float32]:
    """The matrix [count, length] that resizes `length` pixels to `count`."""
    step = length / count
    return weights(count, step / 2 - 0.5, step, length, clamp=True)
