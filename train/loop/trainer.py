"""One training run: data and a config in, a fitted Keras model with its record out."""

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
from train.loop.input_pipeline import steps_of, training_batches
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
    """A fitted Keras model and the record of how it came about."""

    model: keras.Model
    record: TrainingRecord


@dataclass(frozen=True)
class FitResult:
    """What became of the epochs of a run; the fields are those of its record."""

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
    """Train a model for all epochs, by default with Adam and sparse categorical cross-entropy; nothing is chosen on the way.

    The same config, data, machine and number of threads give the same weights. Ctrl-C ends training after the batch at hand; the second
    one ends the program.

    Args:
        config: what to train and how.
        data: fitted on its `train` split, judged on its `validation` split.
        test: judge the final model on the test images too. For a verdict, never for a choice.
        progress: told of each batch and of each epoch's figures.
        teacher_logits: float16 [views, N, classes] for a config with distillation.
        checkpoint: a file to write after every epoch. If it exists, training goes on from there, to the weights it would have had.
        tensorboard: a folder for TensorBoard's logs.

    Raises:
        DigitsError: the loss became NaN or infinite.
        BadArgument: the checkpoint is of another run, or teachers' logits are missing or not wanted.
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
    finish_weights(model, config, data.train)
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
    """Train the weights of a model that is there already, be it built by `config` or not; the arguments are those of `fit`.

    Raises:
        DigitsError: the loss became NaN or infinite.
        BadArgument: the checkpoint is of another run, or teachers' logits are missing or not wanted.
    """
    if (teacher_logits is None) != (config.distillation is None):
        raise BadArgument("teachers' logits go with a config that has distillation, and with no other")
    steps = steps_of(config, len(data.train))
    optimizer, metrics = make_optimizer(config, steps), [accuracy, cross_entropy]
    model.compile(optimizer, make_loss(config), metrics=metrics, steps_per_execution=_steps_at_once(steps))
    so_far = CheckpointHeader(config, data.sha256, installed_versions(), (), 0.0)
    if checkpoint and checkpoint.exists():
        so_far = restore_checkpoint(checkpoint, config, data.sha256, model)
    recorder = _Recorder(so_far, progress, checkpoint)
    callbacks = [recorder, *([keras.callbacks.TensorBoard(tensorboard)] if tensorboard else [])]
    if len(so_far.history) < config.epochs:
        with stop_on_interrupt(recorder.stop):
            model.fit(
                training_batches(data.train, model.input_shape, config, teacher_logits, len(so_far.history)),
                initial_epoch=len(so_far.history),
                epochs=config.epochs,
                steps_per_epoch=steps,
                shuffle=False,  # the data set shuffles itself
                validation_data=(model_input(data.validation.images, model.input_shape), data.validation.labels.astype(np.int32)),
                validation_batch_size=500,
                verbose=0,
                callbacks=callbacks,
            )
    else:  # killed after its last epoch: what Keras does when fitting ends is still to be done
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
    """Train a model with its progress on stderr, and save the run's three files.

    `folder` becomes the run's. `force` replaces a run that is there; `resume` goes on with one of this config that was stopped, or returns
    the record of one that is finished; `quiet` shows no progress. The other arguments are those of `fit`.

    Raises:
        WouldOverwrite: `folder` holds a run already and neither `force` nor `resume` is set.
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
        with Progress(config.epochs, steps_of(config, len(data.train)), quiet) as progress:
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
    """Keeps each epoch's figures, passes them on, writes the checkpoint, and stops a run whose loss is no number any more."""

    def __init__(self, so_far: CheckpointHeader, progress: Progress | None, checkpoint: Path | None) -> None:
        super().__init__()
        self.history: list[Epoch] = list(so_far.history)
        self.batches_done = 0  # of the epoch at hand
        self.stopped = False
        self._so_far = so_far
        self._progress = progress
        self._checkpoint = checkpoint
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training, those before the run was resumed included."""
        return self._so_far.seconds + time.perf_counter() - self._started

    def stop(self) -> None:
        """End training after the batch at hand."""
        self.stopped = True

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._started = time.perf_counter()
        if self._progress:
            self._progress.start_at(len(self.history))

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.batches_done = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._refuse_infinite("loss", logs)
        if self._progress:
            self._progress.step(batch + 1 - self.batches_done)
        self.batches_done = batch + 1
        if self.stopped:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        self._refuse_infinite("val_loss", logs)  # the last step of a run can be the one that goes astray
        if self.stopped:
            self.model.stop_training = True  # Ctrl-C may have come after the last batch, while validation images were looked at
            if self.batches_done < self.params["steps"]:
                return  # figures of part of an epoch would pass for those of a whole one
        self.batches_done = 0
        self.history.append(Epoch(epoch + 1, logs["loss"], logs["accuracy"], logs["val_cross_entropy"], logs["val_accuracy"]))
        if self._checkpoint:
            head = replace(self._so_far, history=tuple(self.history), seconds=self.seconds)
            save_checkpoint(self._checkpoint, head, self.model)
        if self._progress:
            self._progress.epoch(self.history[-1])

    def _refuse_infinite(self, name: str, logs: dict[str, float] | None) -> None:
        if logs and not np.isfinite(logs[name]):
            if self._checkpoint:
                self._checkpoint.unlink(missing_ok=True)  # from there it would go astray again
            raise DigitsError(f"the {name} became {logs[name]} in epoch {len(self.history) + 1}; try a lower learning rate")


def _steps_at_once(steps: int) -> int:
    """How many steps TensorFlow does before it comes back to Python, which costs as much as a step of a small network does.

    A divisor of an epoch's steps, and few enough for progress and Ctrl-C; 1 for epochs of few steps.
    """
    return max(number for number in range(1, 11) if steps % number == 0 and (number == 1 or number <= steps // 40))


def _record(model: keras.Model, config: TrainingConfig, data: Dataset, fitted: FitResult, test: bool) -> TrainingRecord:
    def judged(split: Split) -> Any:
        return accuracy_of(predict_logits(model, split.images).argmax(axis=1), split.labels)

    return TrainingRecord(
        config=config,
        parameters=model.count_params(),
        classes=data.classes,
        data_source=Path(data.source).name,  # no paths: they say nothing on another machine
        data_sha256=data.sha256,
        train_images=len(data.train),
        calibration_indices=tuple(calibration_indices(data.train.labels).tolist()),
        versions=installed_versions(),
        history=fitted.history,
        stray_batches=fitted.stray_batches,
        seconds=fitted.seconds,
        validation=judged(data.validation),
        test=judged(data.test) if test else None,
    )
