"""`digits data` and `digits train`: output, files, and errors of wrong usage."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_runtime.common.packages import pip_install
from edge_runtime.common.pixels import as_text
from edge_runtime.errors import DigitsError
from tests.commands import Answer, digits, one_line
from tests.conftest import draw_digit
from tests.samples import arrays_of, write_idx_folder, write_npz
from tests.train.conftest import Run
from tests.train.runs.test_plots import decode, grid_pixels
from train.backend import keras, tf
from train.config.config_file import read_config, release_config
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.runs.plots import sample_grid
from train.runs.store import read_record

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
    """Shapes, dtypes, ranges and class counts of the three splits, in exactly this text; no samples outside a terminal."""
    assert digits("data") == Answer(0, MNIST_TEXT, "")


def test_data_describes_data_of_ones_own(data_file: Path, invented: Dataset) -> None:
    """The counts are those of the splits used in training."""
    rows = {
        split.name: f"{split.name:<10} {len(split):>7,}  " + " ".join(f"{count:>6}" for count in np.bincount(split.labels))
        for split in (invented.train, invented.validation)
    }
    assert digits("data", "--data", data_file).out == INVENTED_TEXT.format(path=data_file, sha=invented.sha256[:16], **rows)


def test_data_of_an_idx_folder_has_the_same_hash(tmp_path: Path, invented: Dataset) -> None:
    """The first line has the folder and the hash."""
    folder = write_idx_folder(tmp_path / "idx", arrays_of(invented), zipped=True)
    assert digits("data", "--data", folder).out.startswith(f"{folder}  sha256 {invented.sha256[:16]}\n")


def test_data_draws_samples_as_text(data_file: Path, invented: Dataset) -> None:
    """The first images of the first three classes side by side, below the description."""
    lines = digits("data", "--data", data_file, "--text").out.splitlines()[-14:]
    firsts = [int(np.argmax(invented.y_train == label)) for label in range(3)]
    assert [line[:28] for line in lines] == as_text(invented.x_train[firsts[0]]).splitlines()
    assert [line[30:58] for line in lines] == as_text(invented.x_train[firsts[1]]).splitlines()
    assert [line[60:] for line in lines] == as_text(invented.x_train[firsts[2]]).splitlines()


def test_data_writes_a_picture_of_the_training_samples(data_file: Path, tmp_path: Path, invented: Dataset) -> None:
    """The output names the file, which shows the first training images of each class."""
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
    """Missing, damaged, or of a wrong shape: one line that starts with the path."""
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


# What a user may get wrong, the exit code, and what the answer says.
WRONG: list[tuple[tuple[object, ...], int, str]] = [
    (("data", "--colour"), 2, "No such option"),
    (("data", "extra"), 2, "unexpected extra argument"),
    (("train",), 2, "no model given; give one of linear, mlp, cnn, tutorial, or --release or --config"),
    (("train", "rnn"), 2, "'linear', 'mlp', 'cnn', 'tutorial'"),
    (("train", "mlp", "--activation", "sine"), 2, "'relu', 'tanh', 'sigmoid', 'gelu', 'elu', 'leaky_relu', 'linear'"),
    (("train", "mlp", "--optimizer", "lion"), 2, "'adam', 'adamw', 'nadam', 'rmsprop', 'sgd'"),
    (("train", "mlp", "--schedule", "steps"), 2, "'cosine', 'constant'"),
    (("train", "mlp", "--epochs", "few"), 2, "'few' is not a valid integer"),
    (("train", "mlp", "--epochs", 0), 2, "epochs is 0, expected 1 to 10,000"),
    (("train", "mlp", "--batch-size", 0), 2, "batch size is 0, expected 1 to 65,536"),
    (("train", "mlp", "--learning-rate", 0), 2, "learning rate is 0.0, expected a number above 0 and at most 10"),
    (("train", "mlp", "--learning-rate", "nan"), 2, "field 'learning_rate' is NaN, expected a number"),
    (("train", "mlp", "--learning-rate", "inf"), 2, "field 'learning_rate' is Infinity, expected a number"),
    (("train", "mlp", "--seed", -1), 2, "seed is -1, expected 0 to 2,147,483,647"),
    (("train", "mlp", "--warmup", 11), 2, "warm-up epochs is 11.0, expected 0 to 10"),
    (("train", "mlp", "--warmup", "nan"), 2, "field 'warmup' is NaN, expected a number"),
    (("train", "mlp", "--weight-decay", 0.1), 2, "weight decay is 0.1, but adam has none; use optimizer adamw"),
    (("train", "mlp", "--label-smoothing", 1), 2, "label smoothing is 1.0, expected 0 to 0.9"),
    (("train", "mlp", "--averaging", 1), 2, "averaging is 1.0, expected 0 to 0.99999"),
    (("train", "mlp", "--averaging", "nan"), 2, "field 'averaging' is NaN, expected a number"),
    (("train", "mlp", "--augment", "nonsense"), 2, "augmentation is 'nonsense', expected standard"),
    (("train", "mlp", "--augment", "rotation=200"), 2, "rotation is 200.0, expected 0 to 180"),
    (("train", "mlp", "--augment", "shift=nan"), 2, "field 'augmentation.shift' is NaN, expected a number"),
    (
        ("train", "mlp", "--hidden", "64;32"),
        2,
        "hidden layers are '64;32', expected numbers separated by commas such as 128,64, or none",
    ),
    (("train", "mlp", "--hidden", "64,0"), 2, "hidden layers are [64, 0]; expected at most 64 numbers between 1 and 65,536"),
    (("train", "cnn", "--convolutions", "16x5"), 2, "convolutions are '16x5', expected a list such as 16k5s2v,32k3v,dk3"),
    (("train", "cnn", "--convolutions", ""), 2, "convolutions are '', expected a list such as 16k5s2v,32k3v,dk3"),
    (
        ("train", "cnn", "--convolutions", "8k28v,8k3v"),
        2,
        "convolution 2, 8k3v, has a kernel larger than its input; use fewer strides or valid paddings before it",
    ),
    (("train", "linear", "--hidden", "64"), 2, "--hidden is an option of mlp, not of linear"),
    (("train", "cnn", "--activation", "tanh"), 2, "--activation is an option of mlp, not of cnn"),
    (("train", "mlp", "--convolutions", "8k3"), 2, "--convolutions is an option of cnn, not of mlp"),
    (("train", "--quick", "cnn", "--hidden", "64"), 2, "--hidden is an option of mlp, not of cnn"),
    (("train", "mlp", "--quick"), 2, "--quick is a config of cnn, not of mlp; use digits train cnn --quick"),
    (("train", "cnn", "--quick", "--epochs", 0), 2, "epochs is 0, expected 1 to 10,000"),
    (
        ("train", "cnn", "--quick", "--release", "small"),
        2,
        "--quick, --release and --config each name a config: give only one of them",
    ),
    (("train", "--release", "huge"), 2, "'nano', 'small', 'base'"),
    (
        ("train", "--release", "teacher", "--epochs", 3),
        2,
        "--epochs cannot be changed for a release; copy its config and give it with --config",
    ),
    (("train", "--release", "teacher", "--augment", "none"), 2, "--augment cannot be changed for a release;"),
    (("train", "mlp", "--release", "teacher"), 2, "teacher.toml is a config of cnn, not of mlp; leave out the model"),
    (("train", "mlp", "--threads", 0), 2, "0 is not in the range 1<=x<=256"),
    (("train", "mlp", "--name", "../mine"), 2, "name is '../mine', expected 1 to 64 letters"),
    (("train", "mlp", "--force", "--resume"), 2, "--resume continues a run, --force replaces it: give only one of them"),
    (("train", "--config", "gone.toml"), 4, "gone.toml: cannot be read (No such file or directory); give a TOML file"),
    (("train", "--config", "nan.toml"), 4, "nan.toml: field 'learning_rate' is NaN, expected a number"),
    (("train", "--config", "wrong.toml"), 4, "wrong.toml: field 'epochs' is \"many\", expected a whole number"),
    (("train", "--config", "good.toml", "--epochs", 0), 2, "epochs is 0, expected 1 to 10,000"),
    (("train", "cnn", "--config", "good.toml"), 2, "good.toml is a config of mlp, not of cnn"),
    (("train", "--config", "good.toml", "--convolutions", "8k3"), 2, "--convolutions is an option of cnn, not of mlp"),
    (("train", "mlp", "--tensorboard", "good.toml"), 2, "is a file"),
    (("train", "mlp", "--tensorboard", "good.toml/logs"), 1, "good.toml is not a writable folder"),
]

# Runs commands where TensorFlow cannot be imported: what it says came before that was tried.
_WITHOUT_TENSORFLOW = """
import json, sys
from click.testing import CliRunner
from edge_runtime.cli import main

sys.modules["tensorflow"] = sys.modules["keras"] = None
answers = [CliRunner().invoke(main, words) for words in json.load(sys.stdin)]
print(json.dumps([[answer.exit_code, answer.stdout, answer.stderr, repr(answer.exception)] for answer in answers]))
"""


@pytest.fixture(scope="module")
def wrong_answers(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """The output of the commands in `WRONG`, from a process without TensorFlow."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "good.toml").write_text('model = "mlp"')
    (folder / "wrong.toml").write_text('model = "mlp"\nepochs = "many"')
    (folder / "nan.toml").write_text('model = "mlp"\nlearning_rate = nan')
    commands = json.dumps([list(map(str, words)) for words, _, _ in WRONG])
    child = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TENSORFLOW], input=commands, capture_output=True, text=True, cwd=folder, check=True
    )
    assert sorted(path.name for path in folder.iterdir()) == ["good.toml", "nan.toml", "wrong.toml"]
    return [Answer(code, out, err) for code, out, err, _ in json.loads(child.stdout)]


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[" ".join(map(str, words)) for words, _, _ in WRONG])
def test_wrong_usage_is_told_with_the_valid_values(wrong_answers: list[Answer], number: int) -> None:
    """Without loading TensorFlow, nothing on stdout, one line on stderr; click's own errors print the usage first."""
    _, code, message = WRONG[number]
    answer = wrong_answers[number]
    assert (answer.code, answer.out) == (code, "")
    assert message in answer.err
    if not answer.err.startswith("Usage: "):
        assert one_line(answer, code)


def test_what_is_right_does_load_tensorflow(data_file: Path, tmp_path: Path) -> None:
    """Where it is missing, the command says what to install, so the test above would notice that it is loaded."""
    words = json.dumps([["train", "linear", "--data", str(data_file), "--runs", str(tmp_path)]])
    child = subprocess.run([sys.executable, "-c", _WITHOUT_TENSORFLOW], input=words, capture_output=True, text=True, check=True)
    ((code, _, err, _),) = json.loads(child.stdout)
    assert (code, err) == (1, f"digits: train needs keras; install it with: {pip_install()} '.[train]'\n")


def test_train_prints_figures_on_stdout_and_progress_on_stderr(linear_run: Run) -> None:
    """Parameters, time, seed, accuracies with counts and intervals, folder and next command on stdout; a line per epoch on stderr."""
    record = json.loads((linear_run.folder / "training.json").read_text())
    lines = linear_run.answer.out.splitlines()
    assert linear_run.answer.code == 0
    assert lines[0] == f"7,850 parameters, {record['seconds']:.1f} s, seed 3"
    assert [line.split(" %")[0] for line in lines[1:3]] == [
        f"{split} {100 * record[split]['correct'] / record[split]['total']:.2f}" for split in ("validation", "test")
    ]
    assert f"({record['test']['correct']}/200, 95 % interval " in lines[2]
    data = linear_run.words[linear_run.words.index("--data") + 1]
    assert lines[3:] == [f"written: {linear_run.folder}/", f"next:    digits convert {linear_run.folder}/model.keras --data {data}"]
    assert [line[:9] for line in linear_run.answer.err.splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_train_writes_three_files_and_nothing_else(linear_run: Run) -> None:
    """Model, record and curves, without temporary files; the plot is not blank."""
    assert sorted(path.name for path in linear_run.folder.iterdir()) == ["curves.png", "model.keras", "training.json"]
    assert np.mean(decode((linear_run.folder / "curves.png").read_bytes()) < 200) > 0.01
    with Image.open(linear_run.folder / "curves.png") as picture:
        assert picture.size == (1080, 432)


def test_train_does_not_look_at_the_test_images_unasked(data_file: Path, tmp_path: Path) -> None:
    """Without --test, the record has null and stdout no test accuracy; the run is named after the model."""
    answer = digits("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path)
    assert json.loads((tmp_path / "linear" / "training.json").read_text())["test"] is None
    assert "test" not in answer.out.split("written")[0]
    assert "validation" in answer.out


def test_train_refuses_a_taken_run_before_training(monkeypatch: pytest.MonkeyPatch, linear_run: Run) -> None:
    """Nothing is loaded or trained, and no file changes."""
    monkeypatch.setattr("train.cli.load_dataset", _refuse_to_load)
    before = {path: path.read_bytes() for path in linear_run.folder.iterdir()}
    message = one_line(digits(*linear_run.words), 1)
    assert message.startswith(f"digits: {linear_run.folder}/model.keras exists already; give --force")
    assert {path: path.read_bytes() for path in linear_run.folder.iterdir()} == before


def test_train_replaces_a_run_with_force(data_file: Path, tmp_path: Path) -> None:
    """All three files are those of the new run."""
    folder = tmp_path / "linear"
    folder.mkdir()
    for name in ("model.keras", "training.json", "curves.png"):
        (folder / name).write_text("old")
    assert digits("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path, "--force").code == 0
    assert b"old" not in {path.read_bytes() for path in folder.iterdir()}
    assert json.loads((folder / "training.json").read_text())["config"]["epochs"] == 1


def test_a_run_that_goes_astray_leaves_no_files(monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path) -> None:
    """NaN loss: one line with advice, exit code 1."""
    broken = keras.Sequential([keras.Input((784,)), keras.layers.Rescaling(float("nan")), keras.layers.Dense(10)])
    monkeypatch.setattr("train.loop.trainer.build", lambda *_: broken)
    message = one_line(digits("train", "linear", "--epochs", 1, "--data", data_file, "--runs", tmp_path), 1)
    assert message == "digits: the loss became nan in epoch 1; try a lower learning rate\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("classes", [pytest.param(3, marks=pytest.mark.slow), 26])
def test_data_of_any_number_of_classes_is_trained_on(tmp_path: Path, classes: int) -> None:
    """The model has as many outputs as there are labels, and classifies them."""
    labels = np.random.RandomState(0).permutation(np.arange(260) % classes).astype(np.uint8)
    images = np.stack([draw_digit(label % 10, 1 + label // 10 * 3) for label in labels])
    data = write_npz(tmp_path / "data.npz", {"x_train": images, "y_train": labels, "x_test": images[:60], "y_test": labels[:60]})
    answer = digits("train", "mlp", "--hidden", 32, "--batch-size", 8, "--epochs", 4, "--data", data, "--runs", tmp_path, "--test")
    record = read_record(tmp_path / "mlp" / "training.json")
    assert (answer.code, record.classes) == (0, classes)
    assert keras.saving.load_model(tmp_path / "mlp" / "model.keras").output_shape == (None, classes)
    assert record.test is not None
    assert record.test.percent > 80


@pytest.mark.slow
def test_tensorboard_gets_the_figures_and_changes_nothing(linear_run: Run, tmp_path: Path) -> None:
    """Logs of training and validation in a folder named after the run; the weights do not change."""
    words = [str(tmp_path) if word == str(linear_run.folder.parent) else word for word in linear_run.words]
    assert digits(*words, "--tensorboard", tmp_path / "logs").code == 0
    found, expected = (
        keras.saving.load_model(folder / "model.keras").get_weights() for folder in (tmp_path / "first", linear_run.folder)
    )
    assert [weights.tobytes() for weights in found] == [weights.tobytes() for weights in expected]
    history = read_record(tmp_path / "first" / "training.json").history
    for part, name in (("train", "accuracy"), ("validation", "val_accuracy")):
        (path,) = (tmp_path / "logs" / "first" / part).iterdir()
        values = [
            float(tf.make_ndarray(value.tensor))
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
            if value.tag == "epoch_accuracy"
        ]
        assert values == pytest.approx([getattr(epoch, name) for epoch in history])


def test_a_config_file_is_trained_with_options_in_its_place(data_file: Path, tmp_path: Path) -> None:
    """Options override the file's fields; the run is named after the file; the record has the resulting config."""
    path = tmp_path / "mine.toml"
    path.write_text('model = "linear"\nepochs = 5\nseed = 7\nbatch_size = 100\nlabel_smoothing = 0.1\n')
    assert digits("train", "--config", path, "--epochs", 1, "--data", data_file, "--runs", tmp_path).code == 0
    expected = TrainingConfig("linear", epochs=1, seed=7, batch_size=100, label_smoothing=0.1)
    assert read_record(tmp_path / "mine" / "training.json").config == expected


def test_a_release_is_judged_on_the_test_images(monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path) -> None:
    """With the committed config, named after release and seed; not a teacher, which is used for choices."""
    asked: list[tuple[Any, ...]] = []

    def look(config: TrainingConfig, _: Dataset, folder: Path, *, test: bool, **__: object) -> None:
        asked.append((config, folder, test))
        raise DigitsError("seen")

    (tmp_path / "nano.toml").write_text('model = "linear"\nepochs = 1\n')
    monkeypatch.setattr("train.cli.release_config", lambda name: tmp_path / "nano.toml")
    monkeypatch.setattr("train.loop.trainer.train_run", look)
    for name in ("nano", "teacher"):
        one_line(digits("train", "--release", name, "--seed", 2, "--data", data_file, "--runs", tmp_path), 1)
    config = TrainingConfig("linear", epochs=1, seed=2)
    assert asked == [(config, tmp_path / "nano-seed2", True), (config, tmp_path / "teacher-seed2", False)]


def test_quick_is_a_committed_recipe_for_the_cnn(monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path) -> None:
    """With the given seed, in the run's name too."""
    asked: list[tuple[Any, ...]] = []

    def look(config: TrainingConfig, _: Dataset, folder: Path, **__: object) -> None:
        asked.append((config, folder))
        raise DigitsError("seen")

    monkeypatch.setattr("train.loop.trainer.train_run", look)
    one_line(digits("train", "cnn", "--quick", "--seed", 4, "--data", data_file, "--runs", tmp_path), 1)
    assert asked == [(read_config(release_config("quick"), seed=4), tmp_path / "quick")]
    one_line(digits("train", "--quick", "--seed", 4, "--data", data_file, "--runs", tmp_path), 1)
    assert asked[1] == asked[0]  # the model need not be named
