"""`digits data` and `digits train`: what they print and write, and how each mistake of a user ends."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime.pixels import as_text
from tests.commands import Answer, digits, one_line
from tests.samples import arrays_of, write_idx_folder, write_npz
from tests.train.conftest import Run
from tests.train.test_plots import decode, grid_pixels
from train.backend import keras
from train.data import Dataset
from train.plots import sample_grid

INVENTED_TEXT = """\
{path}  sha256 {sha}
x_train    uint8 [600, 28, 28]  values 0 to 255
y_train    uint8 [600]  values 0 to 9
x_test     uint8 [200, 28, 28]  values 0 to 255
y_test     uint8 [200]  values 0 to 9

split       images       0      1      2      3      4      5      6      7      8      9
{train}
{validation}
test           200      20     20     20     20     20     20     20     20     20     20
"""

MNIST_TEXT = """\
MNIST  sha256 79e46ba7dd21a1cd
x_train    uint8 [60000, 28, 28]  values 0 to 255
y_train    uint8 [60000]  values 0 to 9
x_test     uint8 [10000, 28, 28]  values 0 to 255
y_test     uint8 [10000]  values 0 to 9

split       images       0      1      2      3      4      5      6      7      8      9
train       55,000   5,434  6,212  5,465  5,622  5,343  4,963  5,436  5,702  5,357  5,466
validation   5,000     489    530    493    509    499    458    482    563    494    483
test        10,000     980  1,135  1,032  1,010    982    892    958  1,028    974  1,009
"""


def _refuse_to_load(*_: object, **__: object) -> Any:
    pytest.fail("this should have been told before the work began")


def test_data_describes_the_embedded_mnist() -> None:
    """Shapes, dtypes, ranges and class counts of the three splits, in exactly this text; no drawing outside a terminal."""
    assert digits("data") == Answer(0, MNIST_TEXT, "")


def test_data_describes_data_of_ones_own(data_file: Path, invented: Dataset) -> None:
    """The counts are those of the splits that training will use."""
    rows = {
        split.name: f"{split.name:<10} {len(split):>7,}  " + " ".join(f"{count:>6}" for count in np.bincount(split.labels))
        for split in (invented.train, invented.validation)
    }
    assert digits("data", "--data", data_file).out == INVENTED_TEXT.format(path=data_file, sha=invented.sha256[:16], **rows)


def test_data_of_an_idx_folder_has_the_same_hash(tmp_path: Path, invented: Dataset) -> None:
    """The first line says where it came from and what it is."""
    folder = write_idx_folder(tmp_path / "idx", arrays_of(invented), zipped=True)
    assert digits("data", "--data", folder).out.startswith(f"{folder}  sha256 {invented.sha256[:16]}\n")


def test_data_draws_samples_as_text(data_file: Path, invented: Dataset) -> None:
    """The first image of each of the first three classes, side by side, below the description."""
    lines = digits("data", "--data", data_file, "--text").out.splitlines()[-14:]
    firsts = [int(np.argmax(invented.y_train == label)) for label in range(3)]
    assert [line[:28] for line in lines] == as_text(invented.x_train[firsts[0]]).splitlines()
    assert [line[30:58] for line in lines] == as_text(invented.x_train[firsts[1]]).splitlines()
    assert [line[60:] for line in lines] == as_text(invented.x_train[firsts[2]]).splitlines()


def test_data_writes_a_picture_of_the_training_samples(data_file: Path, tmp_path: Path, invented: Dataset) -> None:
    """The picture is named on stdout, and its cells show the first training images of each class."""
    path = tmp_path / "deep" / "samples.png"
    answer = digits("data", "--data", data_file, "--samples", path)
    assert answer.out.endswith(f"\nsamples: {path}\n")
    cells = grid_pixels(path.read_bytes(), rows=10, columns=10)
    for label in range(10):
        image = invented.x_train[int(np.argmax(invented.y_train == label))].astype(int)
        assert np.abs(cells[label * 29 : label * 29 + 28, :28] - image).mean() < 6


def test_data_replaces_a_picture_only_with_force(data_file: Path, tmp_path: Path, invented: Dataset) -> None:
    """Without it the old file stays, and the error says what to do."""
    path = tmp_path / "samples.png"
    path.write_text("mine")
    message = one_line(digits("data", "--data", data_file, "--samples", path), 1)
    assert message == f"digits: {path} exists already; give --force to replace it, or another name\n"
    assert path.read_text() == "mine"
    assert digits("data", "--data", data_file, "--samples", path, "--force").code == 0
    assert path.read_bytes() == sample_grid(invented.train)


@pytest.mark.parametrize("command", [("data",), ("train", "linear")])
def test_data_that_cannot_be_used_exits_4(tmp_path: Path, invented: Dataset, command: tuple[str, ...]) -> None:
    """Missing, damaged, or of a wrong shape: one line each, that begins with the path."""
    bad = write_npz(tmp_path / "bad.npz", {**arrays_of(invented), "x_test": invented.x_test[:, :14]})
    cut = tmp_path / "cut.npz"
    cut.write_bytes(bad.read_bytes()[:1000])
    causes = {bad: "x_test is uint8 [200, 14, 28]", cut: "truncated", tmp_path / "gone": "no such file", tmp_path: "expected one"}
    for path, cause in causes.items():
        message = one_line(digits(*command, "--data", path, *_runs(command, tmp_path)), 4)
        assert message.startswith(f"digits: {path}: ")
        assert cause in message
    assert not (tmp_path / "runs").exists()


def _runs(command: tuple[str, ...], folder: Path) -> tuple[object, ...]:
    return ("--runs", folder / "runs") if command[0] == "train" else ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data", "--colour"), "No such option"),
        (("data", "extra"), "unexpected extra argument"),
        (("train",), "Missing argument"),
        (("train", "rnn"), "'linear', 'mlp', 'cnn'"),
        (("train", "mlp", "--activation", "sine"), "'relu', 'tanh', 'sigmoid', 'gelu', 'elu', 'leaky_relu', 'linear'"),
        (("train", "mlp", "--epochs", "few"), "'few' is not a valid integer"),
        (("train", "mlp", "--epochs", 0), "epochs is 0, expected 1 to 10,000"),
        (("train", "mlp", "--batch-size", 0), "batch size is 0, expected 1 to 65,536"),
        (("train", "mlp", "--learning-rate", 0), "learning rate is 0.0, expected a number above 0 and at most 10"),
        (("train", "mlp", "--seed", -1), "seed is -1, expected 0 to 4,294,967,295"),
        (("train", "mlp", "--hidden", "64;32"), "hidden layers are '64;32', expected numbers with commas such as 128,64, or none"),
        (("train", "mlp", "--hidden", "64,0"), "hidden layers are [64, 0]; expected at most 64 numbers between 1 and 65,536"),
    ],
)
def test_wrong_usage_exits_2_with_the_valid_values(
    monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], message: str
) -> None:
    """Told at once, before data or TensorFlow are loaded."""
    monkeypatch.setattr("train.cli.load_dataset", _refuse_to_load)
    answer = digits(*words)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err


def test_train_prints_figures_on_stdout_and_progress_on_stderr(linear_run: Run) -> None:
    """Size, time and seed, accuracies with their counts and intervals, where things lie, what comes next; one line an epoch."""
    record = json.loads((linear_run.folder / "training.json").read_text())
    lines = linear_run.answer.out.splitlines()
    assert linear_run.answer.code == 0
    assert lines[0] == f"7,850 parameters, {record['seconds']:.1f} s, seed 3"
    assert [line.split(" %")[0] for line in lines[1:3]] == [
        f"{split} {100 * record[split]['correct'] / record[split]['total']:.2f}" for split in ("validation", "test")
    ]
    assert f"({record['test']['correct']}/200, 95 % interval " in lines[2]
    assert lines[3:] == [f"written: {linear_run.folder}/", f"next:    digits convert {linear_run.folder}/model.keras"]
    assert [line[:9] for line in linear_run.answer.err.splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_train_writes_three_files_and_nothing_else(linear_run: Run) -> None:
    """Model, record and curves; no temporary file is left; the curves are a picture with something on it."""
    assert sorted(path.name for path in linear_run.folder.iterdir()) == ["curves.png", "model.keras", "training.json"]
    assert np.mean(decode((linear_run.folder / "curves.png").read_bytes()) < 200) > 0.01
    with Image.open(linear_run.folder / "curves.png") as picture:
        assert picture.size == (1080, 432)


def test_train_does_not_look_at_the_test_images_unasked(data_file: Path, tmp_path: Path) -> None:
    """Without --test the record says null, the screen nothing, and the run has its model's name."""
    answer = digits("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path)
    assert json.loads((tmp_path / "linear" / "training.json").read_text())["test"] is None
    assert "test" not in answer.out.split("written")[0]
    assert "validation" in answer.out


def test_train_refuses_a_taken_run_before_training(monkeypatch: pytest.MonkeyPatch, linear_run: Run) -> None:
    """Nothing is loaded, nothing is trained, every file stays as it was."""
    monkeypatch.setattr("train.cli.load_dataset", _refuse_to_load)
    before = {path: path.read_bytes() for path in linear_run.folder.iterdir()}
    message = one_line(digits(*linear_run.words), 1)
    assert message.startswith(f"digits: {linear_run.folder}/model.keras exists already; give --force")
    assert {path: path.read_bytes() for path in linear_run.folder.iterdir()} == before


def test_train_replaces_a_run_with_force(data_file: Path, tmp_path: Path) -> None:
    """All three files are the new run's."""
    folder = tmp_path / "linear"
    folder.mkdir()
    for name in ("model.keras", "training.json", "curves.png"):
        (folder / name).write_text("old")
    assert digits("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path, "--force").code == 0
    assert b"old" not in {path.read_bytes() for path in folder.iterdir()}
    assert json.loads((folder / "training.json").read_text())["config"]["epochs"] == 1


def test_a_run_that_goes_astray_leaves_no_files(monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path) -> None:
    """NaN loss: one line with advice, exit 1."""
    broken = keras.Sequential([keras.Input((784,)), keras.layers.Rescaling(float("nan")), keras.layers.Dense(10)])
    monkeypatch.setattr("train.training.build", lambda *_: broken)
    message = one_line(digits("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path), 1)
    assert message == "digits: the loss became nan in epoch 1; try a lower learning rate\n"
    assert not list(tmp_path.iterdir())
