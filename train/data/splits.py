"""Fixed splits of the training images into training, validation and calibration, so that runs can be compared."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import DataError

CALIBRATION_PER_CLASS = 50


def validation_count(images: int) -> int:
    """Number of validation images, the last of the training images: 5,000 of MNIST's 60,000, at most a twelfth, at least 1."""
    return max(1, min(5_000, images // 12))


def calibration_indices(labels: NDArray[np.uint8], per_class: int = CALIBRATION_PER_CLASS, seed: int = 0) -> NDArray[np.int64]:
    """Class-balanced indices of calibration images for quantisation.

    Args:
        labels: uint8 [N], labels of the training split (never of validation or test images).
        per_class: images per class; fewer if the rarest class has fewer.
        seed: seed of numpy's legacy generator, whose stream is frozen, so that the same labels always give the same indices.

    Returns:
        int64 [classes * per_class], ascending, unique.

    Raises:
        DataError: a class has no image.
    """
    counts = np.bincount(labels)
    if not counts.all():
        raise DataError(f"no calibration image of class {int(np.argmin(counts))}; add training images of it")
    each = min(per_class, int(counts.min()))
    generator = np.random.RandomState(seed)
    chosen = [generator.permutation(np.flatnonzero(labels == label))[:each] for label in range(len(counts))]
    return np.sort(np.concatenate(chosen)).astype(np.int64)
