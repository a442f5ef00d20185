"""How weights move: optimiser, learning rate over time, and what is done to them at the end."""

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
    """The optimiser of a config; `steps` is the number of batches of an epoch."""
    settings: dict[str, Any] = {"learning_rate": _learning_rate(config, steps)}
    if config.averaging:
        # Keras puts the average in place of the weights when fitting ends.
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
    falling = max(1, config.epochs * steps - warmup)
    least = 1.0 if config.schedule == "constant" else 0.0  # share of the largest rate that is left at the end
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, falling, least)
    return keras.optimizers.schedules.CosineDecay(0.0, falling, least, warmup_target=config.learning_rate, warmup_steps=warmup)


def finish_weights(model: keras.Model, config: TrainingConfig, split: Split) -> None:
    """Compute the statistics of batch normalisation anew for the final weights.

    The moving ones belong to weights of earlier steps, and not at all to averaged weights; these are means over the first batches of
    the first epoch ("precise" statistics: Wu and Johnson, arXiv 2105.07576).
    """
    normalizations = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    if not normalizations:
        return
    moving = [variable for layer in normalizations for variable in (layer.moving_mean, layer.moving_variance)]
    sums = [np.zeros(variable.shape) for variable in moving]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0  # what a batch says, alone
    count = min(STATISTICS_BATCHES, steps_of(config, len(split)))
    look = tf.function(lambda inputs: model(inputs, training=True), reduce_retracing=True)
    for inputs, _targets in training_batches(split, model.input_shape, config).take(count):
        look(inputs)
        sums = [total + np.asarray(variable) for total, variable in zip(sums, moving, strict=True)]
    for total, variable in zip(sums, moving, strict=True):
        variable.assign(total / count)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum
