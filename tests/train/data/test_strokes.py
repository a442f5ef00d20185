"""Drawn digits have MNIST's form, follow from the seed, and look like what their labels say."""

import numpy as np
import pytest

from edge_runtime import Classifier
from edge_runtime.errors import BadArgument
from edge_runtime.preprocessing.image_files import in_place
from train.config.training_config import Augmentation, TrainingConfig
from train.data import Dataset
from train.data.strokes import draw_digit, draw_digits
from train.loop.input_pipeline import training_split


def test_they_have_the_form_of_mnist() -> None:
    """Black around, 20 pixels along the longer side, the centre of mass at the centre."""
    images, labels = draw_digits(200, seed=1)
    assert (images.shape, images.dtype, labels.dtype) == ((200, 28, 28), np.uint8, np.uint8)
    assert set(labels) == set(range(10))
    assert images.max(axis=(1, 2)).min() > 200
    assert np.mean([in_place(image) for image in images]) > 0.9


def test_the_seed_decides() -> None:
    """All pixels and labels; none is also possible."""
    first, again = draw_digits(20, seed=2), draw_digits.__wrapped__(20, seed=2)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert not np.array_equal(first[0], draw_digits(20, seed=3)[0])
    assert draw_digits(0)[0].shape == (0, 28, 28)


@pytest.mark.parametrize("label", [0, 2, 3, 5, 6, 8])
def test_a_model_that_knows_mnist_reads_most(label: int) -> None:
    """Of the digits whose forms are the same everywhere."""
    dice = np.random.default_rng(4)
    images = np.stack([draw_digit(label, dice) for _ in range(100)])
    assert np.mean(Classifier.load().classify_batch(images).indices == label) > 0.7


def test_a_config_may_add_them(invented: Dataset) -> None:
    """After the training images, which stay; data of other classes is refused."""
    split = training_split(TrainingConfig("cnn", strokes=30), invented)
    assert len(split) == len(invented.train) + 30
    assert np.array_equal(split.images[: len(invented.train)], invented.train.images)
    assert np.array_equal(split.labels[len(invented.train) :], draw_digits(30)[1])
    assert training_split(TrainingConfig("cnn"), invented) is not None
    three = Dataset("three", *(array[np.isin(labels, (0, 1, 2))] for array, labels in _arrays(invented)))
    with pytest.raises(BadArgument, match="drawn digits have 10 classes, the data 3"):
        training_split(TrainingConfig("cnn", strokes=30), three)


def _arrays(data: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(data.x_train, data.y_train), (data.y_train, data.y_train), (data.x_test, data.y_test), (data.y_test, data.y_test)]


def test_numbers_have_bounds() -> None:
    """Of drawn digits and of the stretch."""
    with pytest.raises(BadArgument, match="drawn digits is -1, expected 0 to 100,000"):
        TrainingConfig("cnn", strokes=-1)
    with pytest.raises(BadArgument, match=r"stretch is 1, expected 0 to 0.9"):
        Augmentation(stretch=1)
