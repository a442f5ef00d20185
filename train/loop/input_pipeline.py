"""Training batches: every image once per epoch, in a new order and a new view each time.

Order and view depend on seed and epoch only, so a run can start at any epoch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import BadArgument
from train.backend import tf
from train.config.training_config import Augmentation, TrainingConfig
from train.data import Dataset, Split
from train.data.strokes import FORMS, draw_digits
from train.loop.augmentation import augment, draw_view

VIEWS_SEED = 0  # of views with teachers' logits, which students of all seeds share
_ORDER = 3  # a separate stream of random numbers


def training_split(config: TrainingConfig, data: Dataset) -> Split:
    """The images that a config trains on: the training split, and drawn digits after it.

    Raises:
        BadArgument: drawn digits are asked for, but the data set has not ten classes.
    """
    if not config.strokes:
        return data.train
    if data.classes != len(FORMS):
        raise BadArgument(f"drawn digits have 10 classes, the data {data.classes}; set strokes to 0")
    images, labels = draw_digits(config.strokes)
    return Split(data.train.name, np.concatenate([data.train.images, images]), np.concatenate([data.train.labels, labels]))


def steps_of(config: TrainingConfig, images: int) -> int:
    """Number of batches per epoch; the last one may be smaller."""
    return -(-images // config.batch_size)


def training_batches(
    split: Split,
    input_shape: tuple[int | None, ...],
    config: TrainingConfig,
    teacher_logits: NDArray[np.float16] | None = None,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches of all epochs from epoch `start` (counted from 0) on.

    Args:
        split: the images and labels.
        input_shape: input shape of the model, None for the batch.
        config: seed, batch size, augmentation and distillation are used.
        teacher_logits: float16 [views, N, classes] for distillation.
        start: number of completed epochs.

    Returns:
        Pairs of inputs, float32 [n, ...] in the model's shape, and targets: int32 [n] labels, or with distillation float32
        [n, 1 + classes], the label followed by the teachers' logits.
    """
    labels = split.labels.astype(np.int32)
    tensors = (tf.constant(split.images), tf.constant(labels))
    logits_of_views = None if teacher_logits is None else tf.constant(teacher_logits)

    def epoch_batches(epoch: Any) -> tf.data.Dataset:
        order = _shuffled_order(len(split), config.seed, epoch)
        view = epoch if config.distillation is None else epoch % config.distillation.views
        seed = config.seed if config.distillation is None else VIEWS_SEED
        distortions = None if config.augmentation is None else draw_view(config.augmentation, len(split), seed, view)

        def batch(step: Any) -> tuple[Any, Any]:
            chosen = order[step * config.batch_size : (step + 1) * config.batch_size]
            images, targets = (tf.gather(tensor, chosen) for tensor in tensors)
            if logits_of_views is not None:
                logits = tf.cast(tf.gather(logits_of_views[view], chosen), tf.float32)
                targets = tf.concat([tf.cast(targets, tf.float32)[:, None], logits], axis=1)
            return tf.reshape(_distorted(images, distortions, chosen), (-1, *input_shape[1:])), targets

        return tf.data.Dataset.range(steps_of(config, len(split))).map(batch)

    return tf.data.Dataset.range(start, config.epochs).flat_map(epoch_batches).prefetch(4)


def view_of(images: NDArray[np.uint8], augmentation: Augmentation | None, view: int, chunk: int = 5_000) -> NDArray[np.uint8]:
    """A view of images, uint8 [N, 28, 28], as teachers get it; the images themselves without augmentation."""
    if augmentation is None:
        return images
    distortions = draw_view(augmentation, len(images), VIEWS_SEED, view)
    parts = []
    for begin in range(0, len(images), chunk):
        chosen = tf.range(begin, min(begin + chunk, len(images)))
        parts.append(_distorted(tf.gather(tf.constant(images), chosen), distortions, chosen).numpy().astype(np.uint8))
    return np.concatenate(parts)


def _shuffled_order(count: int, seed: int, epoch: Any) -> Any:
    stream = tf.stack([tf.constant(seed, tf.int64), epoch * 4 + _ORDER])
    return tf.argsort(tf.random.stateless_uniform((count,), stream))


def _distorted(images: Any, distortions: tuple[Any, Any | None] | None, chosen: Any) -> Any:
    """Images as float32, distorted by their rows of `distortions`."""
    pixels = tf.cast(images, tf.float32)
    if distortions is None:
        return pixels
    transforms, grids = distortions
    return augment(pixels, tf.gather(transforms, chosen), None if grids is None else tf.gather(grids, chosen))
