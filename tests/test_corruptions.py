"""The corruptions of MNIST-C do what the paper says."""

import numpy as np
import pytest

from tests.corruptions import CORRUPTIONS, corrupt
from train.data import Dataset


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_an_image_is_corrupted_and_stays_one(kind: str, mnist: Dataset) -> None:
    """The same seed gives the same pixels; most images change, and the digit stays: it and the result go together."""
    images = mnist.validation.images[:20]
    corrupted = np.stack([corrupt(image, kind, seed) for seed, image in enumerate(images)])
    assert (corrupted.shape, corrupted.dtype) == (images.shape, np.uint8)
    assert np.array_equal(corrupted[3], corrupt(images[3], kind, 3))
    assert all(not np.array_equal(before, after) for before, after in zip(images, corrupted, strict=True))
    assert np.corrcoef(images.ravel(), corrupted.ravel())[0, 1] > 0.1


def test_severities_are_those_of_the_paper(mnist: Dataset) -> None:
    """Where they can be seen: pixels moved, levels added, the share of salt and pepper, columns inverted."""
    image = mnist.validation.images[0]
    moved = {tuple(shift) for seed in range(20) for shift in [_shift(image, corrupt(image, "translate", seed))]}
    assert moved == {(-3, -3), (-3, 3), (3, -3), (3, 3)}
    assert corrupt(image, "brightness", 0).min() == 128
    grey = np.full((28, 28), 128, np.uint8)
    assert np.mean([np.mean(corrupt(grey, "impulse noise", seed) != 128) for seed in range(50)]) == pytest.approx(0.17, abs=0.01)
    striped = corrupt(image, "stripe", 0)
    assert np.array_equal(striped[:, :7], 255 - image[:, :7])
    assert np.array_equal(striped[:, 7:21], image[:, 7:21])


def _shift(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """Where the centre of mass went, in pixels."""
    places = np.arange(28)
    centres = [(image.sum(axis=1) @ places / image.sum(), image.sum(axis=0) @ places / image.sum()) for image in (before, after)]
    return round(centres[1][0] - centres[0][0]), round(centres[1][1] - centres[0][1])
