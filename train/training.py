"""One training run: data and a config in, a fitted Keras model with its record out."""

import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import DigitsError
from edge_runtime.statistics import accuracy_of
from edge_runtime.version import __version__
from train.backend import keras, tf
from train.config import TrainingConfig
from train.data import Dataset, Split, calibration_indices
from train.models import build, model_input, predict_logits
from train.plots import training_curves
from train.progress import Progress
from train.runs import Epoch, TrainingRecord, refuse_taken_run, save_run


@dataclass(frozen=True)
class TrainedModel:
    """A fitted Keras model and the record of how it came about."""

    model: keras.Model
    record: TrainingRecord


def fit(config: TrainingConfig, data: Dataset, *, test: bool = False, progress: Progress | None = None) -> TrainedModel:
    """Train a model: Adam, sparse categorical cross-entropy from logits, all epochs; nothing is chosen on the way.

    The same config, data and machine give the same weights.

    Args:
        config: what to train and how.
        data: fitted on its `train` split, judged on its `validation` split.
        test: judge the final model on the test images too. For a verdict, never for a choice.
        progress: told of each batch and of each epoch's figures.

    Raises:
        DigitsError: the loss became NaN or infinite.
    """
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    model = build(config, data.classes)
    steps = config.epochs * steps_of(config, len(data.train))
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    recorder = _Recorder(progress)
    validation = (model_input(data.validation.images, model.input_shape), data.validation.labels)
    started = time.perf_counter()
    model.fit(
        _batches(data.train, model.input_shape, config),
        epochs=config.epochs,
        shuffle=False,  # the data set shuffles itself
        validation_data=validation,
        validation_batch_size=500,
        verbose=0,
        callbacks=[recorder],
    )
    seconds = time.perf_counter() - started
    return TrainedModel(model, _record(model, config, data, recorder.history, seconds, test))


def train_run(
    config: TrainingConfig, data: Dataset, folder: Path, *, test: bool = False, force: bool = False, quiet: bool = False
) -> TrainingRecord:
    """Train a model with its progress on stderr, and save the run's three files to `folder`.

    Raises:
        WouldOverwrite: `folder` holds a run already and `force` is false.
        DigitsError: the loss became NaN or infinite.
    """
    refuse_taken_run(folder, force)
    with Progress(config.epochs, steps_of(config, len(data.train)), quiet) as progress:
        trained = fit(config, data, test=test, progress=progress)
    title = f"{folder.name}: {trained.record.parameters:,} parameters, validation {trained.record.validation.percent:.2f} %"
    save_run(folder, trained.model, trained.record, training_curves(trained.record.history, title), force)
    return trained.record


def steps_of(config: TrainingConfig, images: int) -> int:
    """How many batches an epoch has; the last one may be smaller."""
    return -(-images // config.batch_size)


def _batches(split: Split, input_shape: tuple[int | None, ...], config: TrainingConfig) -> tf.data.Dataset:
    """Every image once an epoch, in a new order each time. Pixels stay bytes until they are batched: a quarter of the memory."""
    shape = (-1, *input_shape[1:])

    def as_input(images: Any, labels: Any) -> tuple[Any, Any]:
        return tf.cast(tf.reshape(images, shape), tf.float32), labels

    images = tf.data.Dataset.from_tensor_slices((split.images, split.labels))
    shuffled = images.shuffle(len(split), seed=config.seed, reshuffle_each_iteration=True)
    return shuffled.batch(config.batch_size).map(as_input).prefetch(4)


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Keeps each epoch's figures, passes them on, and stops a run whose loss is no number any more."""

    def __init__(self, progress: Progress | None) -> None:
        super().__init__()
        self.history: list[Epoch] = []
        self._progress = progress

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._refuse_infinite("loss", logs)
        if self._progress:
            self._progress.step()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        self._refuse_infinite("val_loss", logs)  # the last step of a run can be the one that goes astray
        figures = {name: float(logs[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
        self.history.append(Epoch(epoch + 1, **figures))
        if self._progress:
            self._progress.epoch(self.history[-1])

    def _refuse_infinite(self, name: str, logs: dict[str, float] | None) -> None:
        if logs and not np.isfinite(logs[name]):
            raise DigitsError(f"the {name} became {logs[name]} in epoch {len(self.history) + 1}; try a lower learning rate")


def _record(
    model: keras.Model, config: TrainingConfig, data: Dataset, history: list[Epoch], seconds: float, test: bool
) -> TrainingRecord:
    def accuracy(split: Split) -> Any:
        return accuracy_of(predict_logits(model, split.images).argmax(axis=1), split.labels)

    return TrainingRecord(
        config=config,
        parameters=model.count_params(),
        classes=data.classes,
        data_source=Path(data.source).name,  # no paths: they say nothing on another machine
        data_sha256=data.sha256,
        train_images=len(data.train),
        calibration_indices=tuple(calibration_indices(data.train.labels).tolist()),
        versions={"edge-digits": __version__, **{name: version(name) for name in ("tensorflow", "keras", "numpy")}},
        history=tuple(history),
        seconds=seconds,
        validation=accuracy(data.validation),
        test=accuracy(data.test) if test else None,
    )
