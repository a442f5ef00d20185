"""Training batches: every image once per epoch, independent of the first epoch, with the teachers' logits of the same view."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from train.backend import tf
from train.config.training_config import Augmentation, Distillation, TrainingConfig
from train.data import Dataset, Split
from train.loop.augmentation import augment, draw_view
from train.loop.input_pipeline import VIEWS_SEED, steps_of, training_batches, view_of

AUGMENTATION = Augmentation(rotation=15, zoom=0.1, shift=2, elastic=1)
PLAIN = TrainingConfig("linear", epochs=2, seed=3)
MOVED = replace(PLAIN, augmentation=AUGMENTATION)
TAUGHT = replace(MOVED, epochs=5, distillation=Distillation(("f00",), views=2))
SHAPE = (None, 784)
Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


def _batches(split: Split, config: TrainingConfig, logits: NDArray[np.float16] | None = None, start: int = 0) -> list[Batch]:
    return [(inputs.numpy(), targets.numpy()) for inputs, targets in training_batches(split, SHAPE, config, logits, start)]


def _epochs(split: Split, config: TrainingConfig, logits: NDArray[np.float16] | None = None) -> list[Batch]:
    """All inputs and targets of each epoch."""
    batches, steps = _batches(split, config, logits), steps_of(config, len(split))
    assert len(batches) == config.epochs * steps
    epochs = [zip(*batches[first : first + steps], strict=True) for first in range(0, len(batches), steps)]
    return [(np.concatenate(inputs), np.concatenate(targets)) for inputs, targets in epochs]


def _numbered_logits(views: int, images: int) -> NDArray[np.float16]:
    """Logits that encode image and view."""
    logits = np.zeros((views, images, 10), np.float16)
    logits[..., 0] = np.arange(images)
    logits[..., 1] = np.arange(views)[:, None]
    return logits


def _assert_same_pixels(found: NDArray[np.float32], expected: NDArray[np.generic]) -> None:
    """Equal, but for a few pixels that graph and eager execution round to neighbouring grey levels."""
    differences = np.abs(found - np.asarray(expected, np.float32))
    assert differences.max() <= 1
    assert np.count_nonzero(differences) < 1e-4 * differences.size


@pytest.fixture(scope="module")
def few(invented: Dataset) -> Split:
    """150 images: two batches of 64 and a smaller one."""
    return invented.train.head(150)


@pytest.mark.parametrize(("images", "batch", "steps"), [(550, 64, 9), (512, 64, 8), (1, 64, 1), (55_000, 64, 860)])
def test_an_epoch_has_a_batch_for_the_rest_too(images: int, batch: int, steps: int) -> None:
    """No image is dropped."""
    assert steps_of(TrainingConfig("linear", batch_size=batch), images) == steps


def test_batches_hold_every_image_once_an_epoch_in_changing_order(few: Split) -> None:
    """Pixel values do not change, labels stay with their images, and the second epoch has another order."""
    assert [len(labels) for _, labels in _batches(few, PLAIN)] == [64, 64, 22] * 2
    seen = [
        [(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)]
        for images, labels in _epochs(few, PLAIN)
    ]
    stored = [(image.astype(np.float32).tobytes(), int(label)) for image, label in zip(few.images, few.labels, strict=True)]
    assert sorted(seen[0]) == sorted(seen[1]) == sorted(stored)
    assert len({tuple(seen[0]), tuple(seen[1]), tuple(stored)}) == 3


def test_order_depends_on_the_seed(few: Split) -> None:
    """The same seed gives the same order, another seed another."""
    first, again, other = (_batches(few, replace(PLAIN, seed=seed))[0][1].tolist() for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("shape", [(784,), (28, 28), (28, 28, 1)])
def test_inputs_have_the_models_shape(few: Split, shape: tuple[int, ...]) -> None:
    """float32 pixel values; labels are int32."""
    inputs, targets = next(iter(training_batches(few, (None, *shape), PLAIN)))
    assert (inputs.dtype, inputs.shape, targets.dtype) == (tf.float32, (64, *shape), tf.int32)


@pytest.mark.slow
@pytest.mark.parametrize("config", [PLAIN, MOVED, TAUGHT], ids=["plain", "augmented", "taught"])
def test_a_run_that_starts_later_gets_the_very_batches(few: Split, config: TrainingConfig) -> None:
    """From epoch k on: the same images with the same distortions, order and targets."""
    logits = _numbered_logits(2, len(few)) if config.distillation else None
    whole = _batches(few, config, logits)
    for start in (1, config.epochs - 1, config.epochs):
        rest = _batches(few, config, logits, start)
        assert len(rest) == len(whole) - 3 * start
        for found, expected in zip(rest, whole[3 * start :], strict=True):
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


def test_every_epoch_looks_at_images_moved_anew(few: Split) -> None:
    """The distortion depends on the image's index, not on its position in the batch."""
    plain, moved = _epochs(few, PLAIN), _epochs(few, MOVED)
    for epoch, (images, labels) in enumerate(moved):
        pixels, moves = tf.constant(few.images, tf.float32), draw_view(AUGMENTATION, len(few), MOVED.seed, epoch)
        by_image = dict(zip(map(bytes, few.images), augment(pixels, *moves).numpy().reshape(-1, 784), strict=True))
        np.testing.assert_array_equal(labels, plain[epoch][1])
        _assert_same_pixels(images, np.stack([by_image[bytes(image.astype(np.uint8))] for image in plain[epoch][0]]))


def test_students_see_the_view_that_their_teachers_judged(few: Split) -> None:
    """Each row has a view of its image with the logits of the same view, and its label; views are used cyclically."""
    logits = _numbered_logits(2, len(few))
    views = [view_of(few.images, AUGMENTATION, view).reshape(-1, 784) for view in range(2)]
    for epoch, (images, targets) in enumerate(_epochs(few, TAUGHT, logits)):
        numbers = targets[:, 1].astype(int)
        assert targets.shape == (150, 11)
        assert sorted(numbers) == list(range(150))
        assert set(targets[:, 2]) == {epoch % 2}
        np.testing.assert_array_equal(targets[:, 0], few.labels[numbers])
        _assert_same_pixels(images, views[epoch % 2][numbers])


def test_students_of_every_seed_see_the_same_views(few: Split) -> None:
    """Only their order differs."""
    logits = _numbered_logits(2, len(few))
    (first, _), *_ = _epochs(few, TAUGHT, logits)
    (other, _), *_ = _epochs(few, replace(TAUGHT, seed=8), logits)
    assert sorted(map(bytes, first)) == sorted(map(bytes, other))
    assert (first != other).any()


def test_a_view_does_not_depend_on_how_it_is_cut_up(few: Split) -> None:
    """Chunks do not change the result: uint8 images with the distortions of the teachers' seed."""
    whole = view_of(few.images, AUGMENTATION, 1)
    np.testing.assert_array_equal(view_of(few.images, AUGMENTATION, 1, chunk=7), whole)
    moves = draw_view(AUGMENTATION, len(few), VIEWS_SEED, 1)
    np.testing.assert_array_equal(whole, augment(tf.constant(few.images, tf.float32), *moves).numpy())
    assert whole.dtype == np.uint8


def test_without_augmentation_every_view_is_the_images(few: Split) -> None:
    """Without augmentation nothing changes."""
    np.testing.assert_array_equal(view_of(few.images, None, 5), few.images)
