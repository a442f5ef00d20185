"""The fixed splits: validation and calibration images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edge_runtime.errors import DataError
from train.data import CALIBRATION_PER_CLASS, Dataset, calibration_indices, validation_count


@pytest.mark.parametrize(("images", "count"), [(60_000, 5_000), (120_000, 5_000), (6_000, 500), (24, 2), (12, 1), (2, 1)])
def test_validation_is_a_twelfth_at_most_5000_and_at_least_one(images: int, count: int) -> None:
    """5,000 of MNIST's 60,000; a twelfth of smaller sets."""
    assert validation_count(images) == count


def test_mnists_validation_images_are_the_last_5000_training_images(mnist: Dataset) -> None:
    """Training and validation split are the training images in order, cut at 55,000."""
    np.testing.assert_array_equal(mnist.train.images, mnist.x_train[:55_000])
    np.testing.assert_array_equal(mnist.validation.images, mnist.x_train[55_000:])
    np.testing.assert_array_equal(mnist.train.labels, mnist.y_train[:55_000])
    np.testing.assert_array_equal(mnist.validation.labels, mnist.y_train[55_000:])
    assert (mnist.train.name, mnist.validation.name, mnist.test.name) == ("train", "validation", "test")


def test_mnists_calibration_images_are_50_of_each_class_from_the_fitting_images(mnist: Dataset) -> None:
    """500 unique indices below 55,000, ascending."""
    indices = calibration_indices(mnist.train.labels)
    assert (indices.dtype, indices.shape) == (np.int64, (10 * CALIBRATION_PER_CLASS,))
    assert indices[0] >= 0
    assert indices[-1] < 55_000
    assert np.all(np.diff(indices) > 0)
    assert np.bincount(mnist.train.labels[indices]).tolist() == [50] * 10


def test_mnists_calibration_images_are_the_same_for_ever(mnist: Dataset) -> None:
    """The frozen stream of numpy's legacy generator gives these images on every machine."""
    indices = calibration_indices(mnist.train.labels)
    np.testing.assert_array_equal(indices, calibration_indices(mnist.train.labels.copy()))
    assert indices[:8].tolist() == [106, 118, 242, 278, 440, 664, 677, 684]


def test_another_seed_calibrates_with_other_images(mnist: Dataset) -> None:
    """The seed matters, the balance stays."""
    first, second = (calibration_indices(mnist.train.labels, seed=seed) for seed in (0, 1))
    assert not np.array_equal(first, second)
    assert np.bincount(mnist.train.labels[second]).tolist() == [50] * 10


@given(arrays(np.uint8, st.integers(3, 80), elements=st.integers(0, 2)), st.integers(1, 20))
def test_calibration_is_balanced_whatever_the_labels_are(labels: NDArray[np.uint8], per_class: int) -> None:
    """Every class has as many images as the rarest can give, at most `per_class`; the same labels give the same indices."""
    labels[:3] = (0, 1, 2)
    indices = calibration_indices(labels, per_class)
    each = min(per_class, int(np.bincount(labels).min()))
    assert np.bincount(labels[indices]).tolist() == [each] * 3
    assert len(set(indices.tolist())) == len(indices)
    np.testing.assert_array_equal(indices, calibration_indices(labels, per_class))


def test_a_class_without_an_image_cannot_calibrate() -> None:
    """The message names the class."""
    with pytest.raises(DataError, match="no calibration image of class 1; add training images of it"):
        calibration_indices(np.array([0, 2, 0], np.uint8))
