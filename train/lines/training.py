"""Train the line network on invented lines. A training that is stopped goes on after its last epoch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.backend import keras, tf
from train.data import Dataset
from train.lines.dataset import Lines, held_out_lines
from train.lines.network import build_line_network, ctc_loss
from train.lines.writing import LONGEST, Digits, write_lines

SHIFT = 2
"""Maximum number of rows that a line is shifted by in each epoch."""
STEP = 16
"""Batches are as wide as their longest line, in multiples of these columns."""


@dataclass(frozen=True)
class LineConfig:
    """Settings of the training.

    lines: invented lines, the same in each epoch. drawn: drawn digits beside MNIST's. validation_lines: lines of validation images.
    learning_rate: the highest; it rises during the first half of an epoch and falls along a cosine.
    """

    lines: int = 100_000
    drawn: int = 8_000
    validation_lines: int = 2_000
    channels: tuple[int, int, int, int, int, int, int] = (16, 32, 32, 48, 72, 72, 64)
    epochs: int = 14
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    seed: int = 0


def training_lines(config: LineConfig, data: Dataset) -> Lines:
    """The lines that are trained on, of training images."""
    return Lines(*write_lines(Digits.of(data.train, config.drawn, config.seed), config.lines, config.seed))


def train_lines(config: LineConfig, data: Dataset, folder: Path, report: Callable[[str], None] = print) -> keras.Model:
    """Train the network, and keep it in `folder` after each epoch.

    Args:
        config: settings.
        data: data set; its test images are not used.
        folder: where `line_network.keras` is written, and where a stopped training is found again.
        report: takes a line about each epoch.
    """
    path = folder / "line_network.keras"
    model, begun = (_loaded(path), _epochs_of(path)) if path.exists() else (_new(config), 0)
    if begun >= config.epochs:
        return model
    lines, validation = training_lines(config, data), held_out_lines(data.validation, config.validation_lines)
    for epoch in range(begun, config.epochs):
        steps = len(lines.texts) // config.batch_size
        batches = tf.data.Dataset.from_generator(
            lambda epoch=epoch: _batches(lines, config, epoch), output_signature=_SIGNATURE
        ).apply(tf.data.experimental.assert_cardinality(steps))
        fitted = model.fit(batches.prefetch(4), verbose=0, shuffle=False)
        right = validation.whole(predict_lines(model, validation.images)).mean()
        report(f"epoch {epoch + 1} of {config.epochs}: loss {fitted.history['loss'][0]:.4f}, validation lines {100 * right:.2f} %")
        _save(model, path, epoch + 1)
    return model


def predict_lines(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits, float32 [N, W / 2, 11], of line images, uint8 [N, 32, W]."""
    parts = [model.predict_on_batch(_as_input(images[start : start + 200])) for start in range(0, len(images), 200)]
    return np.concatenate(parts)


_SIGNATURE = (tf.TensorSpec((None, None, None, 1), tf.float32), tf.TensorSpec((None, LONGEST), tf.int32))


def _new(config: LineConfig) -> keras.Model:
    steps = config.lines // config.batch_size
    warm = max(1, steps // 2)
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 10,
        max(1, steps * config.epochs - warm),
        alpha=0.01,
        warmup_target=config.learning_rate,
        warmup_steps=warm,
    )
    model = build_line_network(config.channels, config.seed)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, clipnorm=5.0)
    model.compile(optimizer, ctc_loss)
    return model


def _batches(lines: Lines, config: LineConfig, epoch: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """The batches of an epoch in random order, each of lines of like width, shifted up or down."""
    dice = np.random.default_rng([config.seed, epoch])
    labels, widths = lines.labels, _widths(lines.images)
    order = np.argsort(widths + dice.uniform(0, STEP, len(widths)))
    count = len(order) // config.batch_size
    for number in dice.permutation(count):
        chosen = order[number * config.batch_size : (number + 1) * config.batch_size]
        width = min(lines.images.shape[2], -(-int(widths[chosen].max()) // STEP) * STEP)
        yield _as_input(_shifted(lines.images[chosen, :, :width], int(dice.integers(-SHIFT, SHIFT + 1)))), labels[chosen]


def _widths(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The number of columns of each image up to its last ink."""
    return np.asarray(images.shape[2] - images.max(axis=1)[:, ::-1].astype(bool).argmax(axis=1))


def _shifted(images: NDArray[np.uint8], rows: int) -> NDArray[np.uint8]:
    """Images moved down by some rows, or up if negative; their last rows are repeated."""
    places = np.clip(np.arange(images.shape[1]) - rows, 0, images.shape[1] - 1)
    return images[:, places]


def _as_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images[..., np.newaxis].astype(np.float32)


def _save(model: keras.Model, path: Path, epochs: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name("half-written.keras")
    model.save(half)
    half.replace(path)
    path.with_suffix(".epochs").write_text(str(epochs))


def _loaded(path: Path) -> keras.Model:
    return keras.models.load_model(path, custom_objects={"ctc_loss": ctc_loss})


def _epochs_of(path: Path) -> int:
    return int(path.with_suffix(".epochs").read_text())
