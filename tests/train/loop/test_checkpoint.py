"""Stopped and killed runs: only the current epoch is lost, and resuming gives the weights of an uninterrupted run."""

import io
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.errors import BadArgument, DataError
from tests.commands import Answer, digits, one_line
from tests.samples import arrays_of, write_npz
from tests.train.conftest import RECIPE, Run, interrupting
from train.backend import keras
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.loop import trainer
from train.loop.checkpoint import CheckpointHeader, restore_checkpoint, save_checkpoint
from train.loop.optimizer import make_optimizer
from train.loop.progress import Progress
from train.model.architectures import build
from train.model.losses import make_loss
from train.runs.lock import lock_folder
from train.runs.store import Epoch, TrainingRecord, read_record
from train.runs.versions import installed_versions

SIGNALS = ["SIGINT", "SIGKILL"]
LINEAR = TrainingConfig("linear", epochs=2, seed=3, averaging=0.9)


def _record(run: Run) -> TrainingRecord:
    return read_record(run.folder / "training.json")


def _weights(run: Run) -> list[bytes]:
    return [weights.tobytes() for weights in keras.saving.load_model(run.folder / "model.keras").get_weights()]


def _files(run: Run) -> list[str]:
    return sorted(path.name for path in run.folder.iterdir())


def _refuse_to_train(*_: object, **__: object) -> Any:
    pytest.fail("nothing was to be trained")


@pytest.mark.slow
def test_ctrl_c_ends_with_what_there_is(broken_runs: dict[str, Run]) -> None:
    """The current batch is finished, the model evaluated and saved; stderr says how to continue; exit code 130."""
    run = broken_runs["SIGINT"]
    record = _record(run)
    assert (run.answer.code, run.answer.err.splitlines()[-1]) == (130, "stopped after 1 of 3 epochs; --resume continues the run")
    assert f"written: {run.folder}/\n" in run.answer.out
    assert (record.complete, len(record.history), record.stray_batches) == (False, 1, 4)
    assert record.config == RECIPE
    assert _files(run) == ["checkpoint.npz", "curves.png", "model.keras", "training.json"]
    assert len(_weights(run)) == 12


@pytest.mark.slow
def test_a_killed_run_leaves_its_last_whole_epoch(broken_runs: dict[str, Run]) -> None:
    """In one file, without temporary files."""
    run = broken_runs["SIGKILL"]
    assert run.answer.code == -signal.SIGKILL
    assert [line[:9] for line in run.answer.err.splitlines()] == ["epoch 1/3"]
    assert _files(run) == ["checkpoint.npz"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_going_on_gives_the_run_without_a_break(broken_runs: dict[str, Run], whole_run: Run, tmp_path: Path, name: str) -> None:
    """Identical weights and metrics; only missing epochs are trained; the checkpoint is deleted."""
    run = broken_runs[name].copy(tmp_path)
    answer = digits(*run.words, "--resume")
    assert answer.code == 0
    assert [line[:9] for line in answer.err.splitlines()] == ["epoch 2/3", "epoch 3/3"]
    assert _weights(run) == _weights(whole_run)
    found, expected = _record(run), _record(whole_run)
    assert replace(found, seconds=0) == replace(expected, seconds=0)
    assert (found.complete, found.stray_batches) == (True, 0)
    assert _files(run) == _files(whole_run) == ["curves.png", "model.keras", "training.json"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_a_stopped_run_is_not_replaced_unasked(
    monkeypatch: pytest.MonkeyPatch, broken_runs: dict[str, Run], tmp_path: Path, name: str
) -> None:
    """A checkpoint may be worth hours of training."""
    monkeypatch.setattr("train.cli.load_dataset", _refuse_to_train)
    run = broken_runs[name].copy(tmp_path)
    before = {path: path.read_bytes() for path in run.folder.iterdir()}
    message = one_line(digits(*run.words), 1)
    assert (
        message
        == f"digits: {run.folder} contains a stopped run; give --resume to continue it, --force to start again, or another --name\n"
    )
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before


@pytest.mark.slow
def test_force_starts_anew(broken_runs: dict[str, Run], data_file: Path, tmp_path: Path) -> None:
    """Whatever run the checkpoint belongs to."""
    run = broken_runs["SIGINT"].copy(tmp_path)
    answer = digits("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path, "--name", "cnn", "--force")
    assert (answer.code, [line[:9] for line in answer.err.splitlines()]) == (0, ["epoch 1/1"])
    assert (_record(run).config.model, _files(run)) == ("linear", ["curves.png", "model.keras", "training.json"])


@pytest.mark.slow
def test_a_run_killed_while_it_replaced_another_goes_on(broken_runs: dict[str, Run], data_file: Path, tmp_path: Path) -> None:
    """The old run's files beside the checkpoint are neither returned nor in the way."""
    old = ("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path / "old", "--name", "cnn")
    assert digits(*old).code == 0
    run = broken_runs["SIGKILL"].copy(tmp_path)
    for name in ("model.keras", "training.json", "curves.png"):
        shutil.copy(tmp_path / "old" / "cnn" / name, run.folder)
    assert digits(*run.words, "--resume").code == 0
    assert (_record(run).config, _record(run).complete) == (RECIPE, True)
    assert _files(run) == ["curves.png", "model.keras", "training.json"]


def test_two_processes_do_not_train_one_run(data_file: Path, tmp_path: Path) -> None:
    """The second one stops before training, and does not touch the first one's checkpoint."""
    words = ("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path)
    (tmp_path / "linear").mkdir()
    with lock_folder(tmp_path / "linear", "run"):
        message = one_line(digits(*words), 1)
    assert (
        message
        == f"digits: {tmp_path / 'linear'}: another process works on this run; wait for it to end, or choose another --name\n"
    )
    assert digits(*words).code == 0


def test_a_finished_run_is_not_judged_on_test_images_by_resuming(linear_run: Run, data_file: Path, tmp_path: Path) -> None:
    """An error, instead of silently ignoring --test."""
    words = ("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path, "--resume")
    assert digits(*words).code == 0
    assert "was not evaluated on the test images" in one_line(digits(*words, "--test"), 2)
    assert digits(*linear_run.words, "--resume").code == 0


@pytest.mark.slow
def test_a_finished_run_is_not_trained_again(monkeypatch: pytest.MonkeyPatch, whole_run: Run) -> None:
    """--resume prints the recorded metrics."""
    monkeypatch.setattr(trainer, "fit", _refuse_to_train)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in whole_run.folder.iterdir()}
    assert digits(*whole_run.words, "--resume") == Answer(0, whole_run.answer.out, "")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in whole_run.folder.iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize("state", [*SIGNALS, "finished"])
@pytest.mark.parametrize("other", ["settings", "data"])
def test_another_run_cannot_be_gone_on_with(
    broken_runs: dict[str, Run], whole_run: Run, invented: Dataset, tmp_path: Path, state: str, other: str
) -> None:
    """Other settings or data, for stopped, killed or finished runs: one line, exit code 2, and no file changes."""
    run = (broken_runs | {"finished": whole_run})[state].copy(tmp_path / "runs")
    half = write_npz(tmp_path / "half.npz", {name: array[:100] for name, array in arrays_of(invented).items()})
    before = {path: path.read_bytes() for path in run.folder.iterdir()}
    changed = {"settings": ("--learning-rate", "0.01"), "data": ("--data", half)}[other]
    message = one_line(digits(*run.words, *changed, "--resume"), 2)
    assert "with other settings or data; repeat them, or start again with --force" in message
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before


@pytest.mark.slow
def test_force_and_resume_exclude_each_other(whole_run: Run) -> None:
    """One replaces a run, the other continues it."""
    message = one_line(digits(*whole_run.words, "--force", "--resume"), 2)
    assert message == "digits: --resume continues a run, --force replaces it: give only one of them\n"


@pytest.mark.slow
def test_a_damaged_checkpoint_exits_4(broken_runs: dict[str, Run], tmp_path: Path) -> None:
    """One line that names the file and what to do; the file stays."""
    run = broken_runs["SIGKILL"].copy(tmp_path)
    checkpoint = run.folder / "checkpoint.npz"
    os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    message = one_line(digits(*run.words, "--resume"), 4)
    assert message.startswith(f"digits: {checkpoint} is not a valid checkpoint (")
    assert message.endswith("; start again with --force\n")
    assert _files(run) == ["checkpoint.npz"]


@pytest.mark.slow
@pytest.mark.usefixtures("listening")
def test_ctrl_c_before_the_first_epoch_has_ended(monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path) -> None:
    """A model of two batches, without history or checkpoint; resuming starts from the beginning."""
    words = ("train", "linear", "--epochs", 2, "--seed", 3, "--data", data_file, "--runs", tmp_path)
    run = Run(tmp_path / "linear", Answer(0, "", ""), ())
    with monkeypatch.context() as patched:
        patched.setattr(trainer, "Progress", interrupting({2}))
        answer = digits(*words)
    assert (answer.code, answer.err) == (130, "stopped after 0 of 2 epochs; --resume continues the run\n")
    assert (_record(run).history, _record(run).stray_batches) == ((), 2)
    assert _files(run) == ["curves.png", "model.keras", "training.json"]
    assert digits(*words, "--resume").code == 0
    assert _record(run).complete


@pytest.mark.usefixtures("listening")
def test_the_second_ctrl_c_ends_the_program(monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path) -> None:
    """At once; the last complete epoch is on disk."""

    class Impatient(interrupting({13})):  # type: ignore[misc]
        def step(self, batches: int = 1) -> None:
            super().step(batches)
            if Impatient.done == 13:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(trainer, "Progress", Impatient)
    answer = digits("train", "linear", "--epochs", 2, "--data", data_file, "--runs", tmp_path)
    assert (answer.code, answer.out, answer.err.splitlines()[-1]) == (1, "", "Aborted!")
    assert [path.name for path in (tmp_path / "linear").iterdir()] == ["checkpoint.npz"]


def test_ctrl_c_while_validation_images_are_looked_at(invented: Dataset) -> None:
    """The epoch counts, and no batch of the next one is trained."""
    recorder = trainer._Recorder(CheckpointHeader(LINEAR, invented.sha256, installed_versions(), (), 0.0), None, None)
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10)])
    recorder.set_model(model)
    recorder.set_params({"steps": 1})
    recorder.on_epoch_begin(0)
    recorder.on_train_batch_end(0, {"loss": 1.0})
    recorder.stop()
    recorder.on_epoch_end(0, dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "val_cross_entropy"), 1.0))
    assert model.stop_training
    assert (recorder.history, recorder.batches_done) == ([Epoch(1, 1.0, 1.0, 1.0, 1.0)], 0)


def test_a_run_killed_after_its_last_epoch_is_finished_without_training(invented: Dataset, tmp_path: Path) -> None:
    """The checkpoint has the weights of the last step; the saved model has their average, as without interruption."""
    checkpoint = tmp_path / "checkpoint.npz"
    whole = trainer.fit(LINEAR, invented, checkpoint=checkpoint)
    again = trainer.fit(LINEAR, invented, checkpoint=checkpoint, progress=interrupting({1})(2, 9, quiet=True))
    for found, expected in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert replace(again.record, seconds=0) == replace(whole.record, seconds=0)
    assert again.record.seconds >= whole.record.seconds * 0.5


def test_a_checkpoint_goes_when_the_loss_becomes_no_number(
    monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path
) -> None:
    """Resuming from there would diverge again."""

    class Astray(Progress):
        def epoch(self, figures: Epoch) -> None:
            built[0].set_weights([np.full_like(weights, np.nan) for weights in built[0].get_weights()])

    built: list[keras.Model] = []
    monkeypatch.setattr(trainer, "build", lambda *arguments: built.append(build(*arguments)) or built[0])
    monkeypatch.setattr(trainer, "Progress", Astray)
    message = one_line(digits("train", "linear", "--data", data_file, "--runs", tmp_path), 1)
    assert message == "digits: the loss became nan in epoch 2; try a lower learning rate\n"
    assert not (tmp_path / "linear").exists()


# What a file may hold instead of a checkpoint.

HEAD = CheckpointHeader(LINEAR, "f00", installed_versions(), (Epoch(1, 0.5, 0.8, 0.4, 0.9),), 1.5)


def _compiled(config: TrainingConfig = LINEAR) -> keras.Model:
    model = build(config)
    model.compile(make_optimizer(config, 9), make_loss(config))
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a model with random weights and a modified optimiser state."""
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.npz"
    model = _compiled()
    model.optimizer.build(model.trainable_variables)
    for number, variable in enumerate([*model.variables, *model.optimizer.variables]):
        variable.assign(np.full(variable.shape, number))
    save_checkpoint(path, HEAD, model)
    return path


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as stored:
        return dict(stored)


def _npz(arrays: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def test_a_checkpoint_brings_back_every_variable(saved: Path) -> None:
    """Model, optimiser and header are restored."""
    model = _compiled()
    assert restore_checkpoint(saved, LINEAR, "f00", model) == HEAD
    variables = [*model.variables, *model.optimizer.variables]
    assert len(variables) == 9  # kernel, bias; iterations; momentum, velocity and average of both
    for number, variable in enumerate(variables):
        np.testing.assert_array_equal(variable, np.full(variable.shape, number))


@pytest.mark.parametrize(("config", "data"), [(LINEAR, "ba7"), (replace(LINEAR, seed=4), "f00")])
def test_a_checkpoint_is_of_one_config_and_one_data_set(saved: Path, config: TrainingConfig, data: str) -> None:
    """A wrong argument, not a wrong file."""
    with pytest.raises(BadArgument, match="with other settings or data"):
        restore_checkpoint(saved, config, data, _compiled(config))


def test_a_checkpoint_is_of_one_version_of_what_trains(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    """A run with two versions of TensorFlow would be recorded as a run of one."""
    monkeypatch.setattr("train.runs.versions.__version__", "9.9.9")
    with pytest.raises(BadArgument, match=r"was written by edge-digits 0.*this is edge-digits 9\.9\.9"):
        restore_checkpoint(saved, LINEAR, "f00", _compiled())


class _Evil:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self.path,))


def _flipped(content: bytes) -> bytes:
    """One bit within the weights."""
    position = content.index(b"v0.npy") + 1000
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def _compressed_badly(content: bytes) -> bytes:
    """Marks its entries as deflated."""
    return content.replace(b"\0\0\0\0\x21\0", b"\x08\0\0\0\x21\0")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content, _: b"",
        lambda content, _: b"garbage",
        lambda content, _: content[: len(content) // 2],
        lambda content, _: content[:-1],
        lambda content, _: _flipped(content),
        lambda content, _: _compressed_badly(content),
        lambda content, _: b"PK\x03\x04" + b"garbage" * 100,
        lambda content, arrays: _npz({name: array for name, array in arrays.items() if name != "head"}),
        lambda content, arrays: _npz({name: array for name, array in arrays.items() if name != "v8"}),
        lambda content, arrays: _npz(arrays | {"v9": np.zeros(3)}),
        lambda content, arrays: _npz(arrays | {"v0": np.zeros((784, 11), np.float32)}),
        lambda content, arrays: _npz(arrays | {"v0": np.full((784, 10), "x")}),
        lambda content, arrays: _npz(arrays | {"head": np.frombuffer(b'{"config": ', np.uint8)}),
        lambda content, arrays: _npz(arrays | {"head": np.frombuffer(b"[]", np.uint8)}),
        lambda content, arrays: _npz(arrays | {"head": np.zeros(0)}),
        lambda content, arrays: _array_bytes(arrays["v0"]),
        lambda content, arrays: pickle.dumps(arrays),
    ],
)
def test_what_is_no_checkpoint_is_a_data_error(saved: Path, tmp_path: Path, damage: Callable[[bytes, Any], bytes]) -> None:
    """Truncated, flipped bits, other arrays or shapes, another format: an error that names the file and what to do."""
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(damage(saved.read_bytes(), _arrays(saved)))
    assert path.read_bytes() != saved.read_bytes()
    with pytest.raises(DataError) as caught:
        restore_checkpoint(path, LINEAR, "f00", _compiled())
    assert str(caught.value).startswith(f"{path} is not a valid checkpoint (")
    assert str(caught.value).endswith("; start again with --force")


def _array_bytes(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["head", "v0"])
def test_a_checkpoint_runs_no_code(saved: Path, tmp_path: Path, name: str) -> None:
    """Pickled objects in it are never loaded."""
    path, proof = tmp_path / "checkpoint.npz", tmp_path / "proof"
    path.write_bytes(_npz(_arrays(saved) | {name: np.array([_Evil(proof)], dtype=object)}))
    with pytest.raises(DataError, match="allow_pickle"):
        restore_checkpoint(path, LINEAR, "f00", _compiled())
    assert not proof.exists()
    np.load(path, allow_pickle=True)[name]
    assert proof.exists()  # had they been loaded
