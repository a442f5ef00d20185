"""Train a Keras model from a config and a data set, with checkpoints and a record."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.intervals import accuracy_of
from edge_runtime.errors import BadArgument, DigitsError
from train.backend import keras, tf
from train.config.training_config import TrainingConfig
from train.data import Dataset, Split, calibration_indices
from train.interrupt import stop_on_interrupt
from train.loop.checkpoint import CheckpointHeader, restore_checkpoint, save_checkpoint
from train.loop.input_pipeline import steps_of, training_batches, training_split
from train.loop.optimizer import finish_weights, make_optimizer
from train.loop.progress import Progress
from train.model.architectures import build, build_atrous, model_input, predict_logits
from train.model.losses import accuracy, cross_entropy, make_loss
from train.runs.lock import lock_folder
from train.runs.plots import training_curves
from train.runs.store import CHECKPOINT, Epoch, TrainingRecord, finished_run, refuse_taken_run, save_run
from train.runs.versions import installed_versions


@dataclass(frozen=True)
class TrainedModel:
    """A trained Keras model and its record."""

    model: keras.Model
    record: TrainingRecord


@dataclass(frozen=True)
class FitResult:
    """The result of training; the fields are those of `TrainingRecord`."""

    history: tuple[Epoch, ...]
    stray_batches: int
    seconds: float


def fit(
    config: TrainingConfig,
    data: Dataset,
    *,
    test: bool = False,
    progress: Progress | None = None,
    teacher_logits: NDArray[np.float16] | None = None,
    checkpoint: Path | None = None,
    tensorboard: Path | None = None,
) -> TrainedModel:
    """Train a model for all epochs; there is no early stopping and no choice of the best epoch.

    The same config, data, machine and number of threads give the same weights. The first Ctrl-C stops training after the current batch, the
    second one ends the program.

    Args:
        config: training settings.
        data: data set: trained on its `train` split, evaluated on its `validation` split.
        test: also evaluate the final model on the `test` split; never choose by it.
        progress: shows batches and epochs.
        teacher_logits: float16 [views, N, classes] for a config with distillation.
        checkpoint: file to write after every epoch. If it exists, training continues from there, and ends with the same weights as without
            the interruption.
        tensorboard: folder for TensorBoard logs.

    Raises:
        DigitsError: the loss became NaN or infinite.
        BadArgument: the checkpoint belongs to another run, or teachers' logits are missing or not expected.
    """
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    model = build(config, data.classes)
    fitted = fit_weights(
        model,
        config,
        data,
        progress=progress,
        teacher_logits=teacher_logits,
        checkpoint=checkpoint,
        tensorboard=tensorboard,
    )
    started = time.perf_counter()
    if config.atrous:
        model = build_atrous(config, data.classes, model)
    finish_weights(model, config, training_split(config, data))
    fitted = replace(fitted, seconds=fitted.seconds + time.perf_counter() - started)
    return TrainedModel(model, _record(model, config, data, fitted, test))


def fit_weights(
    model: keras.Model,
    config: TrainingConfig,
    data: Dataset,
    *,
    progress: Progress | None = None,
    teacher_logits: NDArray[np.float16] | None = None,
    checkpoint: Path | None = None,
    tensorboard: Path | None = None,
) -> FitResult:
    """Train the weights of an existing model, which need not be built by `config`; arguments as for `fit`.

    Raises:
        DigitsError: the loss became NaN or infinite.
        BadArgument: the checkpoint belongs to another run, or teachers' logits are missing or not expected.
    """
    if (teacher_logits is None) != (config.distillation is None):
        raise BadArgument("teachers' logits and a config with distillation need each other; give both or neither")
    split = training_split(config, data)
    steps = steps_of(config, len(split))
    optimizer, metrics = make_optimizer(config, steps), [accuracy, cross_entropy]
    model.compile(optimizer, make_loss(config), metrics=metrics, steps_per_execution=_steps_per_execution(steps))
    start = CheckpointHeader(config, data.sha256, installed_versions(), (), 0.0)
    if checkpoint and checkpoint.exists():
        start = restore_checkpoint(checkpoint, config, data.sha256, model)
    recorder = _Recorder(start, progress, checkpoint)
    callbacks = [recorder, *([keras.callbacks.TensorBoard(tensorboard)] if tensorboard else [])]
    if len(start.history) < config.epochs:
        with stop_on_interrupt(recorder.stop):
            model.fit(
                training_batches(split, model.input_shape, config, teacher_logits, len(start.history)),
                initial_epoch=len(start.history),
                epochs=config.epochs,
                steps_per_epoch=steps,
                shuffle=False,  # the input pipeline shuffles
                validation_data=(model_input(data.validation.images, model.input_shape), data.validation.labels.astype(np.int32)),
                validation_batch_size=500,
                verbose=0,
                callbacks=callbacks,
            )
    else:  # killed after the last epoch: do what Keras does at the end of fit
        model.optimizer.finalize_variable_values(model.trainable_variables)
    return FitResult(tuple(recorder.history), recorder.batches_done, recorder.seconds)


def train_run(
    config: TrainingConfig,
    data: Dataset,
    folder: Path,
    *,
    test: bool = False,
    force: bool = False,
    quiet: bool = False,
    resume: bool = False,
    teacher_logits: NDArray[np.float16] | None = None,
    tensorboard: Path | None = None,
) -> TrainingRecord:
    """Train a model with progress on stderr, and save the run's three files.

    `force` replaces an existing run in `folder`; `resume` continues a stopped run of the same config, or returns the record of a finished
    one; `quiet` shows no progress. Other arguments as for `fit`.

    Raises:
        WouldOverwrite: `folder` contains a run and neither `force` nor `resume` is set.
        BadArgument: `resume` of a run with other settings or data.
        DigitsError: the loss became NaN or infinite, or another process works on this run.
    """
    checkpoint = folder / CHECKPOINT
    if resume and (done := finished_run(folder, config, data.sha256)):
        return done
    refuse_taken_run(folder, force or resume)
    with lock_folder(folder, "run"):
        if not resume:
            checkpoint.unlink(missing_ok=True)
        with Progress(config.epochs, steps_of(config, len(data.train) + config.strokes), quiet) as progress:
            trained = fit(
                config,
                data,
                test=test,
                progress=progress,
                teacher_logits=teacher_logits,
                checkpoint=checkpoint,
                tensorboard=tensorboard / folder.name if tensorboard else None,
            )
        record = trained.record
        title = f"{folder.name}: {record.parameters:,} parameters, validation {record.validation.percent:.2f} %"
        save_run(folder, trained.model, record, training_curves(record.history, title), force or resume)
        if record.complete:
            checkpoint.unlink(missing_ok=True)
    return record


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Records the metrics of each epoch, shows progress, writes the checkpoint, and stops a run whose loss is not finite."""

    def __init__(self, start: CheckpointHeader, progress: Progress | None, checkpoint: Path | None) -> None:
        super().__init__()
        self.history: list[Epoch] = list(start.history)
        self.batches_done = 0  # of the current epoch
        self.stopped = False
        self._start = start
        self._progress = progress
        self._checkpoint = checkpoint
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training, including those before the run was resumed."""
        return self._start.seconds + time.perf_counter() - self._started

    def stop(self) -> None:
        """Stop training after the current batch."""
        self.stopped = True

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._started = time.perf_counter()
        if self._progress:
            self._progress.start_at(len(self.history))

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.batches_done = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._check_finite("loss", logs)
        if self._progress:
            self._progress.step(batch + 1 - self.batches_done)
        self.batches_done = batch + 1
        if self.stopped:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        self._check_finite("val_loss", logs)  # the loss can diverge in the last step
        if self.stopped:
            self.model.stop_training = True  # Ctrl-C may have come during validation
            if self.batches_done < self.params["steps"]:
                return  # do not record metrics of an incomplete epoch
        self.batches_done = 0
        self.history.append(Epoch(epoch + 1, logs["loss"], logs["accuracy"], logs["val_cross_entropy"], logs["val_accuracy"]))
        if self._checkpoint:
            head = replace(self._start, history=tuple(self.history), seconds=self.seconds)
            save_checkpoint(self._checkpoint, head, self.model)
        if self._progress:
            self._progress.epoch(self.history[-1])

    def _check_finite(self, name: str, logs: dict[str, float] | None) -> None:
        if logs and not np.isfinite(logs[name]):
            if self._checkpoint:
                self._checkpoint.unlink(missing_ok=True)  # resuming it would diverge again
            raise DigitsError(f"the {name} became {logs[name]} in epoch {len(self.history) + 1}; try a lower learning rate")


def _steps_per_execution(steps: int) -> int:
    """Steps per execution: how many steps TensorFlow runs before it returns to Python, which takes as long as a step of a small network.

    A divisor of the steps of an epoch, small enough for progress and Ctrl-C; 1 for short epochs.
    """
    return max(number for number in range(1, 11) if steps % number == 0 and (number == 1 or number <= steps // 40))


def _record(model: keras.Model, config: TrainingConfig, data: Dataset, fitted: FitResult, test: bool) -> TrainingRecord:
    def evaluated(split: Split) -> Any:
        return accuracy_of(predict_logits(model, split.images).argmax(axis=1), split.labels)

    return TrainingRecord(
        config=config,
        parameters=model.count_params(),
        classes=data.classes,
        data_source=Path(data.source).name,  # without its folder, which is meaningless on another machine
        data_sha256=data.sha256,
        train_images=len(data.train),
        calibration_indices=tuple(calibration_indices(data.train.labels).tolist()),
        versions=installed_versions(),
        history=fitted.history,
        stray_batches=fitted.stray_batches,
        seconds=fitted.seconds,
        validation=evaluated(data.validation),
        test=evaluated(data.test) if test else None,
    )
