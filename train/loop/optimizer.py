"""Optimiser, learning rate schedule, and final statistics of batch normalisation."""

from typing import Any

import numpy as np

from train.backend import keras, layers, tf
from train.config.training_config import TrainingConfig
from train.data import Split
from train.loop.input_pipeline import steps_of, training_batches

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
STATISTICS_BATCHES = 100


def make_optimizer(config: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser of a config; `steps` is the number of batches per epoch."""
    settings: dict[str, Any] = {"learning_rate": _learning_rate(config, steps)}
    if config.averaging:
        # Keras replaces the weights by their average at the end of training.
        settings |= {"use_ema": True, "ema_momentum": config.averaging, "ema_overwrite_frequency": None}
    if config.optimizer == "sgd":
        settings |= {"momentum": 0.9, "nesterov": True}
    if config.optimizer == "adamw":
        settings["weight_decay"] = config.weight_decay
    optimizer = _OPTIMIZERS[config.optimizer](**settings)
    if config.optimizer == "adamw":
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _learning_rate(config: TrainingConfig, steps: int) -> Any:
    warmup = round(config.warmup * steps)
    decay_steps = max(1, config.epochs * steps - warmup)
    alpha = 1.0 if config.schedule == "constant" else 0.0  # final rate as a fraction of the peak
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, decay_steps, alpha)
    return keras.optimizers.schedules.CosineDecay(0.0, decay_steps, alpha, warmup_target=config.learning_rate, warmup_steps=warmup)


def finish_weights(model: keras.Model, config: TrainingConfig, split: Split) -> None:
    """Recompute the statistics of batch normalisation for the final weights.

    Moving statistics belong to the weights of earlier steps, not to averaged ones; these are means over the first batches of the first
    epoch ("precise" statistics: Wu and Johnson, arXiv 2105.07576).
    """
    normalizations = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    if not normalizations:
        return
    moving = [variable for layer in normalizations for variable in (layer.moving_mean, layer.moving_variance)]
    sums = [np.zeros(variable.shape) for variable in moving]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0  # the statistics of each batch alone
    count = min(STATISTICS_BATCHES, steps_of(config, len(split)))
    forward = tf.function(lambda inputs: model(inputs, training=True), reduce_retracing=True)
    for inputs, _targets in training_batches(split, model.input_shape, config).take(count):
        forward(inputs)
        sums = [total + np.asarray(variable) for total, variable in zip(sums, moving, strict=True)]
    for total, variable in zip(sums, moving, strict=True):
        variable.assign(total / count)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum
