"""Training: models learn, equal seeds give equal weights, and a diverging run stops with advice."""

import io
from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.errors import DigitsError
from tests.train.conftest import Run
from train.backend import keras
from train.config.training_config import TrainingConfig, parse_convolutions
from train.data import Dataset
from train.loop import trainer
from train.loop.progress import Progress
from train.loop.trainer import fit
from train.model.architectures import predict_logits
from train.runs.store import Epoch

LINEAR = TrainingConfig("linear", epochs=2, seed=3)  # what the fixture linear_run trains


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(TrainingConfig("mlp", (32,), epochs=5, batch_size=16), id="mlp"),
        pytest.param(TrainingConfig("cnn", epochs=4, batch_size=16), id="cnn", marks=pytest.mark.slow),
    ],
)
def test_models_learn_invented_digits(invented: Dataset, config: TrainingConfig) -> None:
    """Far above the 10 % of chance on unseen images; the recorded metrics are those of the final weights."""
    trained = fit(config, invented, test=True)
    record = trained.record
    right = int(np.sum(predict_logits(trained.model, invented.x_test).argmax(axis=1) == invented.y_test))
    assert record.test is not None
    assert (record.test.correct, record.test.total, record.validation.total) == (right, 200, 50)
    assert record.test.percent > 70  # five seeds got 76 to 84 %, and another CPU is another seed
    assert record.validation.percent > 60
    assert record.history[-1].loss < record.history[0].loss
    assert record.history[-1].val_accuracy == pytest.approx(record.validation.percent / 100, abs=1e-6)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(invented: Dataset, linear_run: Run) -> None:
    """The model saved by the command, and the same config and data again."""
    saved = keras.saving.load_model(linear_run.folder / "model.keras").get_weights()
    again = fit(LINEAR, invented).model.get_weights()
    assert [weights.tobytes() for weights in saved] == [weights.tobytes() for weights in again]


@pytest.mark.slow
def test_another_seed_gives_other_weights(invented: Dataset, linear_run: Run) -> None:
    """Otherwise a spread over seeds would mean nothing."""
    saved = keras.saving.load_model(linear_run.folder / "model.keras").get_weights()[0]
    other = fit(TrainingConfig("linear", epochs=1, seed=4), invented).model.get_weights()[0]
    assert np.mean(saved != other) > 0.9


def _input_then(*layers: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((784,)), *layers, keras.layers.Dense(10)])


def _broken_at_once() -> keras.Model:
    return _input_then(keras.layers.Rescaling(float("nan")))


def _broken_after_training() -> keras.Model:
    return _input_then(keras.layers.BatchNormalization(moving_variance_initializer=keras.initializers.Constant(float("nan"))))


@pytest.mark.parametrize(
    ("make", "name"), [(_broken_at_once, "loss"), pytest.param(_broken_after_training, "val_loss", marks=pytest.mark.slow)]
)
def test_a_loss_that_is_no_number_stops_the_run_with_advice(
    monkeypatch: pytest.MonkeyPatch, invented: Dataset, make: object, name: str
) -> None:
    """NaN during training, or only in validation after the last step: no record is written."""
    monkeypatch.setattr(trainer, "build", lambda *_: make())
    with pytest.raises(DigitsError, match=f"^the {name} became nan in epoch 1; try a lower learning rate$"):
        fit(TrainingConfig("linear", epochs=1), invented)


def test_progress_is_a_line_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact text, aligned to the number of epochs."""
    monkeypatch.setattr("sys.stderr", stream := io.StringIO())
    with Progress(epochs=10, steps=3) as progress:
        progress.step()
        progress.epoch(Epoch(2, 0.51234, 0.8123, 0.4, 0.9))
    line = "epoch  2/10  loss 0.5123  accuracy 81.23 %  validation loss 0.4000  accuracy 90.00 %"
    assert stream.getvalue().strip("\r\n ") == line


def test_quiet_progress_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """For libraries that train many models."""
    monkeypatch.setattr("sys.stderr", stream := io.StringIO())
    with Progress(epochs=1, steps=1, quiet=True) as progress:
        progress.step()
        progress.epoch(Epoch(1, 0.5, 0.8, 0.4, 0.9))
    assert stream.getvalue() == ""


@pytest.mark.slow
def test_atrous_is_a_matter_of_what_becomes_of_the_trained_weights(invented: Dataset) -> None:
    """Training is identical; the final, evaluated model has no strides and its own statistics."""
    config = TrainingConfig(
        "cnn", convolutions=parse_convolutions("6k5s2v,8k3v"), epochs=2, batch_size=32, learning_rate=0.01, averaging=0.9
    )
    plain, atrous = fit(config, invented), fit(replace(config, atrous=True), invented)
    assert atrous.record.history == plain.record.history
    for ours, theirs in zip(atrous.model.trainable_variables, plain.model.trainable_variables, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert any(
        (np.asarray(ours) != np.asarray(theirs)).any()
        for ours, theirs in zip(atrous.model.non_trainable_variables, plain.model.non_trainable_variables, strict=True)
    )
    strides = [layer.strides for layer in atrous.model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert strides == [(1, 1), (1, 1)]
    right = int(np.sum(predict_logits(atrous.model, invented.validation.images).argmax(axis=1) == invented.validation.labels))
    assert atrous.record.validation.correct == right


@pytest.mark.parametrize(("steps", "expected"), [(1, 1), (9, 1), (39, 1), (80, 2), (430, 10), (431, 1), (860, 10), (1_719, 9)])
def test_steps_done_at_once_divide_an_epoch(steps: int, expected: int) -> None:
    """A divisor of the steps, and small in short epochs, so that Ctrl-C takes effect soon."""
    assert trainer._steps_per_execution(steps) == expected
    assert steps % expected == 0


@pytest.mark.slow
def test_steps_per_execution_change_nothing_but_the_time(monkeypatch: pytest.MonkeyPatch, invented: Dataset) -> None:
    """The same weights, history and number of batches as step by step."""
    runs = {}
    config = TrainingConfig("mlp", hidden=(8,), epochs=2, averaging=0.9)
    for at_once in (1, 3):
        monkeypatch.setattr(trainer, "_steps_per_execution", lambda _, at_once=at_once: at_once)
        counted: list[int] = []

        class Counting(Progress):
            def step(self, batches: int = 1, counted: list[int] = counted) -> None:
                counted.append(batches)

        runs[at_once] = trainer.fit(config, invented, progress=Counting(2, 9, quiet=True))
        assert counted == [at_once] * (18 // at_once)
    for one, three in zip(runs[1].model.get_weights(), runs[3].model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, three)
    assert runs[1].record.history == runs[3].record.history
