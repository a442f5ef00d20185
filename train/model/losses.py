"""Losses: cross-entropy with labels, optionally smoothed, and with teachers' probabilities."""

from collections.abc import Callable
from typing import Any

from train.backend import keras, tf
from train.config.training_config import TrainingConfig

Loss = Callable[[Any, Any], Any]


def make_loss(config: TrainingConfig) -> Loss:
    """The loss of a config, for targets of `training_batches` and float32 [n, classes] logits.

    Distillation as in Hinton et al., arXiv 1503.02531: cross-entropy between both probabilities at temperature T, times T squared so that
    its gradients have the same scale as those of the labels.
    """
    if not config.label_smoothing and config.distillation is None:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # type: ignore[no-any-return]  # Keras has no types

    def loss(targets: Any, logits: Any) -> Any:
        labels = _smoothed(labels_of(targets), logits.shape[-1], config.label_smoothing)
        from_labels = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        if config.distillation is None or not _has_logits(targets):
            return from_labels
        temperature, weight = config.distillation.temperature, config.distillation.weight
        soft = tf.nn.softmax(targets[:, 1:] / temperature)
        from_teachers = tf.nn.softmax_cross_entropy_with_logits(soft, logits / temperature) * temperature**2
        return (1 - weight) * from_labels + weight * from_teachers

    return loss


def accuracy(targets: Any, logits: Any) -> Any:
    """Whether each prediction is correct, float32 [n] of 0 and 1."""
    return keras.metrics.sparse_categorical_accuracy(labels_of(targets), logits)


def cross_entropy(targets: Any, logits: Any) -> Any:
    """Cross-entropy with the labels only, float32 [n]; comparable between losses."""
    return keras.losses.sparse_categorical_crossentropy(labels_of(targets), logits, from_logits=True)


def labels_of(targets: Any) -> Any:
    """The labels, int32 [n], of targets with or without teachers' logits."""
    return tf.cast(targets[:, 0] if _has_logits(targets) else tf.reshape(targets, [-1]), tf.int32)


def _has_logits(targets: Any) -> bool:
    return len(targets.shape) == 2 and targets.shape[1] != 1


def _smoothed(labels: Any, classes: int, fraction: float) -> Any:
    return tf.one_hot(labels, classes) * (1 - fraction) + fraction / classes
