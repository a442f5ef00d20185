"""Learning rate schedule, weight decay, averaging, and statistics for the final weights."""

from dataclasses import replace
from math import cos, pi
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.train.conftest import RECIPE, Run
from train.backend import keras, tf
from train.config.training_config import OPTIMIZERS, TrainingConfig, parse_convolutions
from train.data import Dataset
from train.loop import trainer
from train.loop.input_pipeline import training_batches
from train.loop.optimizer import make_optimizer
from train.loop.progress import Progress
from train.model.architectures import build

LINEAR = TrainingConfig("linear", epochs=4, learning_rate=0.01)
TINY = TrainingConfig("cnn", convolutions=parse_convolutions("2k3s4,dk3"), optimizer="adamw", schedule="constant")


def _rates(config: TrainingConfig, steps_of_an_epoch: int, steps: list[int]) -> list[float]:
    optimizer = make_optimizer(config, steps_of_an_epoch)
    rates = []
    for step in steps:
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    return rates


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("cosine", 0.0, [0.01, 0.01 * (1 + cos(pi / 4)) / 2, 0.005, 0.01 * (1 + cos(pi * 39 / 40)) / 2, 0]),
        ("cosine", 1.0, [0, 0.01, 0.01 * (1 + cos(pi / 3)) / 2, 0.01 * (1 + cos(pi * 29 / 30)) / 2, 0]),
        (
            "cosine",
            0.5,
            [0, 0.01 * (1 + cos(pi * 5 / 35)) / 2, 0.01 * (1 + cos(pi * 15 / 35)) / 2, 0.01 * (1 + cos(pi * 34 / 35)) / 2, 0],
        ),
        ("cosine", 4.0, [0, 0.0025, 0.005, 0.00975, 0.01]),
        ("constant", 0.0, [0.01] * 5),
        ("constant", 2.0, [0, 0.005, 0.01, 0.01, 0.01]),
    ],
)
def test_the_learning_rate_rises_and_falls(schedule: str, warmup: float, expected: list[float]) -> None:
    """At the first step, after each of the first two of four epochs, at the last step and after it."""
    config = replace(LINEAR, schedule=schedule, warmup=warmup)
    assert _rates(config, 10, [0, 10, 20, 39, 40]) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_listed_optimizer_is_the_one_of_that_name(name: str) -> None:
    """With its own settings only: decay for adamw, momentum for sgd."""
    optimizer = make_optimizer(replace(LINEAR, optimizer=name), 10)
    assert type(optimizer).__name__.lower() == name
    assert optimizer.weight_decay == (0 if name == "adamw" else None)
    if name == "sgd":
        assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


def test_weights_decay_but_not_biases_or_normalisation() -> None:
    """A step with zero gradients: kernels shrink by rate times decay, other variables do not change."""
    model = build(TINY)
    for variable in model.trainable_variables:
        variable.assign(tf.ones(variable.shape))
    optimizer = make_optimizer(replace(TINY, learning_rate=0.1, weight_decay=0.5), 10)
    optimizer.apply_gradients([(tf.zeros(variable.shape), variable) for variable in model.trainable_variables])
    shrunk = {variable.path: float(np.mean(variable)) for variable in model.trainable_variables}
    assert len(shrunk) == 8
    for path, value in shrunk.items():
        assert value == pytest.approx(0.95 if "kernel" in path else 1)


@pytest.mark.slow
def test_averaging_keeps_the_moving_average_of_the_weights(monkeypatch: pytest.MonkeyPatch, invented: Dataset) -> None:
    """The average over all steps, computed here independently; not the weights of the last step."""
    seen: list[NDArray[Any]] = []

    class Watching(Progress):
        def step(self, batches: int = 1) -> None:
            seen.append(np.array(built[0].trainable_variables[0]))

    built: list[keras.Model] = []
    monkeypatch.setattr(trainer, "build", lambda *arguments: built.append(build(*arguments)) or built[0])
    config = replace(LINEAR, epochs=2, averaging=0.8)
    kept = trainer.fit(config, invented, progress=Watching(2, 9, quiet=True)).model.get_weights()[0]
    average = seen[0]
    for weights in seen[1:]:
        average = 0.8 * average + 0.2 * weights
    assert len(seen) == 18
    np.testing.assert_allclose(kept, average, atol=1e-6)
    assert np.abs(kept - seen[-1]).max() > 1e-3


@pytest.mark.slow
def test_statistics_are_means_over_batches_with_the_final_weights(whole_run: Run, invented: Dataset) -> None:
    """Means and variances of both normalisations, computed here layer by layer from the batches of the first epoch."""
    model = keras.saving.load_model(whole_run.folder / "model.keras")
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    batches = [_statistics(model, inputs) for inputs, _ in training_batches(invented.train, model.input_shape, RECIPE).take(9)]
    for layer, *found in zip(normalizations, *batches, strict=True):
        means, variances = np.mean(found, axis=0)
        np.testing.assert_allclose(layer.moving_mean, means, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance, variances, rtol=1e-3, atol=1e-5)
    assert [layer.momentum for layer in normalizations] == [0.9, 0.9]


def _statistics(model: keras.Model, inputs: Any) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Mean and variance of the input of each batch normalisation, which normalises by them."""
    found = []
    x = inputs
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = np.mean(x, axis=(0, 1, 2)), np.var(x, axis=(0, 1, 2))
            found.append((mean, variance))
            x = (x - mean) / np.sqrt(variance + layer.epsilon) * layer.gamma + layer.beta
        else:
            x = layer(x)
    return found
