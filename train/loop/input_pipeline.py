"""Training batches: every image once an epoch, in a new order and a new view each time.

Order and view depend on the seed and the epoch's number alone, so a run can start at any epoch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.backend import tf
from train.config.training_config import Augmentation, TrainingConfig
from train.data import Split
from train.loop.augmentation import augment, draw_view

VIEWS_SEED = 0  # of the views that teachers judge: one set of them serves students of every seed
_ORDER = 3  # keeps this stream of random numbers apart from those of views


def steps_of(config: TrainingConfig, images: int) -> int:
    """How many batches an epoch has; the last one may be smaller."""
    return -(-images // config.batch_size)


def training_batches(
    split: Split,
    input_shape: tuple[int | None, ...],
    config: TrainingConfig,
    teacher_logits: NDArray[np.float16] | None = None,
    start: int = 0,
) -> tf.data.Dataset:
    """Batches of all epochs from number `start` (counted from 0) on.

    Args:
        split: the images.
        input_shape: of the model, None for the batch.
        config: its seed, batch size, augmentation and distillation.
        teacher_logits: float16 [views, N, classes] of every view of every image, for distillation.
        start: how many epochs have passed.

    Returns:
        Pairs of inputs, float32 [n, ...] as the model takes them, and targets: int32 [n] labels, or for distillation float32
        [n, 1 + classes], the label and then the teachers' logits.
    """
    labels = split.labels.astype(np.int32)
    tensors = (tf.constant(split.images), tf.constant(labels))
    taught = None if teacher_logits is None else tf.constant(teacher_logits)

    def epoch_batches(epoch: Any) -> tf.data.Dataset:
        order = _shuffled(len(split), config.seed, epoch)
        view = epoch if config.distillation is None else epoch % config.distillation.views
        seed = config.seed if config.distillation is None else VIEWS_SEED
        moves = None if config.augmentation is None else draw_view(config.augmentation, len(split), seed, view)

        def batch(step: Any) -> tuple[Any, Any]:
            chosen = order[step * config.batch_size : (step + 1) * config.batch_size]
            images, targets = (tf.gather(tensor, chosen) for tensor in tensors)
            if taught is not None:
                logits = tf.cast(tf.gather(taught[view], chosen), tf.float32)
                targets = tf.concat([tf.cast(targets, tf.float32)[:, None], logits], axis=1)
            return tf.reshape(_moved(images, moves, chosen), (-1, *input_shape[1:])), targets

        return tf.data.Dataset.range(steps_of(config, len(split))).map(batch)

    return tf.data.Dataset.range(start, config.epochs).flat_map(epoch_batches).prefetch(4)


def view_of(images: NDArray[np.uint8], augmentation: Augmentation | None, view: int, chunk: int = 5_000) -> NDArray[np.uint8]:
    """One of the views that teachers judge: uint8 [N, 28, 28] of uint8 [N, 28, 28]; the images themselves if nothing moves them."""
    if augmentation is None:
        return images
    moves = draw_view(augmentation, len(images), VIEWS_SEED, view)
    parts = []
    for begin in range(0, len(images), chunk):
        chosen = tf.range(begin, min(begin + chunk, len(images)))
        parts.append(_moved(tf.gather(tf.constant(images), chosen), moves, chosen).numpy().astype(np.uint8))
    return np.concatenate(parts)


def _shuffled(count: int, seed: int, epoch: Any) -> Any:
    stream = tf.stack([tf.constant(seed, tf.int64), epoch * 4 + _ORDER])
    return tf.argsort(tf.random.stateless_uniform((count,), stream))


def _moved(images: Any, moves: tuple[Any, Any | None] | None, chosen: Any) -> Any:
    """Images as float32, each moved as its own row of `moves` says."""
    pixels = tf.cast(images, tf.float32)
    if moves is None:
        return pixels
    transforms, grids = moves
    return augment(pixels, tf.gather(transforms, chosen), None if grids is None else tf.gather(grids, chosen))
