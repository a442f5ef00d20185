"""Which training images are for fitting, for validation, for calibration: fixed, so that figures of different runs can be compared."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import DataError

CALIBRATION_PER_CLASS = 50


def validation_count(images: int) -> int:
    """How many of the last training images are validation: 5,000 of MNIST's 60,000, at most a twelfth of a smaller set, at least one."""
    return max(1, min(5_000, images // 12))


def calibration_indices(labels: NDArray[np.uint8], per_class: int = CALIBRATION_PER_CLASS, seed: int = 0) -> NDArray[np.int64]:
    """Class-balanced indices of the images that quantisation ranges are measured on.

    Args:
        labels: uint8 [N] of the fitting images (never of validation or test images).
        per_class: how many images of each class; fewer where the rarest class has fewer.
        seed: of numpy's legacy generator, whose stream is frozen: the same labels give the same indices for ever.

    Returns:
        int64 [classes * per_class], ascending, without repeats.

    Raises:
        DataError: a class has no image at all.
    """
    counts = np.bincount(labels)
    if not counts.all():
        raise DataError(f"no image of class {int(np.argmin(counts))} to calibrate with")
    each = min(per_class, int(counts.min()))
    generator = np.random.RandomState(seed)
    chosen = [generator.permutation(np.flatnonzero(labels == label))[:each] for label in range(len(counts))]
    return np.sort(np.concatenate(chosen)).astype(np.int64)
