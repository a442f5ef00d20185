"""`digits convert` and `digits compare` as a user calls them."""

import json
from pathlib import Path

import numpy as np
import pytest

from convert.conversion import Conversion, convert
from convert.quantization.recipes import Recipe
from convert.settings import ConversionSettings
from convert.source.source import Source
from edge_runtime.errors import InputError
from edge_runtime.model.model_file import read_model_file
from tests.commands import digits, one_line
from tests.conftest import ROOT
from tests.samples import arrays_of, write_npz
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.loop.trainer import train_run

NANO = ROOT / "edge_runtime" / "models" / "nano-fp32.tflite"


@pytest.fixture(scope="module")
def run_folder(invented: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run on invented digits."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train_run(TrainingConfig("mlp", hidden=(16,), epochs=6), invented, folder, quiet=True)
    return folder


def test_convert_writes_files_a_report_and_a_table(
    run_folder: Path, data_file: Path, tmp_path: Path, in_this_process: None
) -> None:
    """Only the named recipes are written; the table has the manifest's figures; a loose gate passes them."""
    words = ["convert", run_folder / "model.keras", "--recipe", "int8", "--recipe", "fp32", "--data", data_file, "--out", tmp_path]
    code, text, _ = digits(*words, "--max-drop", 5)
    assert code == 0
    files = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".png")
    assert files == ["tiny-conversion.html", "tiny-conversion.json", "tiny-fp32.tflite", "tiny-int8.tflite"]
    manifest = read_model_file(tmp_path / "tiny-int8.tflite").manifest
    assert manifest is not None
    row = next(line for line in text.splitlines() if line.startswith("int8"))
    test = manifest.accuracy[1]
    assert f"{test.candidate.percent:.2f} ({test.candidate.correct:,}/200)" in row
    assert row.endswith("passed")
    page = (tmp_path / "tiny-conversion.html").read_text()
    assert all(f">{cell}</td>" in page for cell in ("int8", "fp32", "passed", f"{manifest.accuracy[1].agreeing:,}"))
    assert "http" not in page.replace("http-equiv", "")
    assert text.splitlines()[-3:] == [
        f"written: {tmp_path / 'tiny-{int8,fp32}.tflite'}",
        f"report:  {tmp_path / 'tiny-conversion.html'}",
        f"next:    digits classify photo.png --model {tmp_path / 'tiny-int8.tflite'}",
    ]
    entry = json.loads((tmp_path / "tiny-conversion.json").read_text())["models"][1]
    assert entry["recipe"] == "int8"
    assert entry["cost"]["nanoseconds"] > 0
    assert len(entry["calibration_indices"]) == entry["manifest"]["origin"]["calibration"]["images"]
    again = digits(*words)
    assert (again[0], "--force" in again[2]) == (1, True)


def test_the_gate_says_no_after_the_numbers(run_folder: Path, data_file: Path, tmp_path: Path, in_this_process: None) -> None:
    """200 images cannot prove a drop below 0.1 points: the table is printed, the report written, the file is not, exit 3."""
    words = ["convert", run_folder / "model.keras", "--recipe", "int8", "--data", data_file, "--out", tmp_path, "--max-drop", 0.1]
    code, text, error = digits(*words)
    assert code == 3
    assert "FAILED" in text
    assert "the gate refused 1 of 1: int8: the drop on test is at most" in error
    assert "200 images prove no less than 1.89, 0.1 takes 3,838" in error
    assert text.splitlines()[-1] == (
        f"next:    digits convert {run_folder / 'model.keras'} --recipe int8 --qat 5 --data {data_file} --out {tmp_path}"
    )
    allowed = float(error.split("--max-drop ")[1].split()[0])
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tflite"] == []
    assert digits(*words, "--keep-failed", "--force")[0] == 3
    kept = read_model_file(tmp_path / "tiny-int8.tflite").manifest
    assert kept is not None
    assert kept.verdict.passed is False
    remedied = digits(*words[:-1], allowed, "--force")
    assert remedied.code == 0, remedied.err


@pytest.mark.slow
def test_a_refused_file_does_not_leave_an_older_one_in_its_place(
    run_folder: Path, data_file: Path, tmp_path: Path, in_this_process: None
) -> None:
    """It could be taken for the new one; the report keeps its entries about other recipes."""
    words = ["convert", run_folder / "model.keras", "--data", data_file, "--out", tmp_path, "--force"]
    assert digits(*words, "--recipe", "fp16", "--max-drop", 20)[0] == 0
    assert digits(*words, "--recipe", "int8", "--max-drop", 20)[0] == 0
    assert digits(*words, "--recipe", "int8", "--max-drop", 0.1)[0] == 3
    files = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".png")
    assert files == ["tiny-conversion.html", "tiny-conversion.json", "tiny-fp16.tflite"]
    models = json.loads((tmp_path / "tiny-conversion.json").read_text())["models"]
    assert [(model["manifest"]["recipe"], model["manifest"]["verdict"]["passed"]) for model in models] == [
        ("float16", True),
        ("static_wi8_ai8", False),
    ]


def test_a_recipe_that_fails_does_not_stop_the_others(
    run_folder: Path, data_file: Path, tmp_path: Path, in_this_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are written and reported, then the error comes with its exit code; an older file of that recipe is gone."""

    def fail(source: Source, recipe: Recipe, settings: ConversionSettings) -> Conversion:
        if recipe.short == "int8":
            raise InputError("the model has an odd layer; replace it")
        return convert(source, recipe, settings)

    monkeypatch.setattr("convert.export.convert", fail)
    (tmp_path / "tiny-int8.tflite").touch()
    words = ["convert", run_folder / "model.keras", "--data", data_file, "--out", tmp_path, "--max-drop", 5, "--force"]
    answer = digits(*words, "--recipe", "int8", "--recipe", "fp32")
    assert answer.code == 4
    assert "fp32" in answer.out
    assert "1 of 2 recipes failed: int8: the model has an odd layer; replace it" in answer.err
    assert [path.name for path in tmp_path.glob("*.tflite")] == ["tiny-fp32.tflite"]
    report = json.loads((tmp_path / "tiny-conversion.json").read_text())
    assert [model["recipe"] for model in report["models"]] == ["fp32"]
    assert report["failed"] == [{"recipe": "int8", "error": "the model has an odd layer; replace it"}]
    assert "not converted to int8: the model has an odd layer" in (tmp_path / "tiny-conversion.html").read_text()
    alone = digits(*words, "--recipe", "int8")
    assert (alone.code, alone.err.splitlines()[-1]) == (4, "digits: the model has an odd layer; replace it")


@pytest.mark.parametrize("value", ["nan", "101", "x"])
def test_a_drop_that_is_no_number_of_points_is_exit_2(value: str) -> None:
    """The command is refused before anything is converted."""
    assert digits("convert", "x.keras", "--max-drop", value)[0] == 2
    assert digits("pipeline", "--max-drop", value)[0] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.keras"], "none.keras: cannot be read"),
        ([__file__], "not a Keras model"),
    ],
)
def test_a_model_that_cannot_be_used_is_exit_4(words: list[str], message: str, data_file: Path, in_this_process: None) -> None:
    """The error is one line that names the file."""
    code, text, error = digits("convert", *words, "--data", data_file)
    assert (code, text) == (4, "")
    assert message in error
    assert error.count("\n") == 1


def test_compare_two_models(run_folder: Path, data_file: Path, tmp_path: Path, in_this_process: None) -> None:
    """A Keras model and its file are compared on validation images by default; JSON and text have the same counts."""
    model = run_folder / "model.keras"
    digits("convert", model, "--recipe", "fp16", "--data", data_file, "--out", tmp_path, "--max-drop", 5)
    other = tmp_path / "tiny-fp16.tflite"
    code, text, _ = digits("compare", model, other, "--data", data_file)
    assert code == 0
    found = json.loads(digits("compare", model, other, "--data", data_file, "--json")[1])
    assert (found["split"], found["reference"]["total"]) == ("validation", 50)
    assert f"({found['candidate']['correct']}/50 validation images" in text
    made_of, message, following = text.split("\n\n")
    assert [line.split()[0] for line in message.splitlines()] == ["reference", "candidate", "agree", "drop", "McNemar", "by"]
    assert following == f"next:    digits bench {other}\n"
    assert ["kind", "Keras", "TFLite"] in [line.split() for line in made_of.splitlines()]
    assert [file["file_bytes"] for file in found["files"]] == [path.stat().st_size for path in (model, other)]
    assert "--layers compares two .tflite files" in one_line(digits("compare", model, other, "--data", data_file, "--layers"), 2)
    on_test = json.loads(digits("compare", other, other, "--data", data_file, "--split", "test", "--json")[1])
    assert (on_test["reference"]["total"], on_test["agreeing"], on_test["mcnemar_p"]) == (200, 200, 1.0)


def test_compare_two_files_layer_by_layer(cnn_files: dict[str, Path], mnist_slice: Dataset, tmp_path: Path) -> None:
    """Operators of our own files are matched, even if one file has additional ones; a file equals itself."""
    data = write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice))
    for other, least, most in (("int8", 20, 70), ("fp16", 40, 90), ("int4", 5, 40)):
        answer = digits("compare", cnn_files["fp32"], cnn_files[other], "--data", data, "--layers", "--json")
        layers = json.loads(answer.out)["layers"]
        assert [layer["operator"] for layer in layers][-2:] == ["MEAN", "FULLY_CONNECTED"]
        assert least < layers[-1]["signal_to_noise"] < most, other
    same = digits("compare", cnn_files["int8"], cnn_files["int8"], "--data", data, "--layers")
    assert "FULLY_CONNECTED  inf" in same.out


def test_compare_runs_the_candidate_in_tflite_micro(
    tflite_micro: str, cnn_files: dict[str, Path], mnist_slice: Dataset, tmp_path: Path
) -> None:
    """Its facts name the runtime; a float and an int8 file keep the accuracy that they have in LiteRT."""
    data = write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice))
    for recipe in ("fp32", "int8"):
        answer = digits("compare", cnn_files[recipe], cnn_files[recipe], "--data", data, "--runtime", "tflm", "--json")
        assert answer.code == 0, answer.err
        found = json.loads(answer.out)
        assert [file.get("runtime") for file in found["files"]] == [None, f"tflite-micro {tflite_micro}"]
        assert found["reference"]["total"] - found["agreeing"] <= 1


@pytest.mark.usefixtures("tflite_micro")
def test_compare_refuses_what_tflite_micro_cannot_do(cnn_files: dict[str, Path], run_folder: Path) -> None:
    """A Keras model as the candidate, and layers."""
    int8 = cnn_files["int8"]
    assert "runs a .tflite file" in one_line(digits("compare", int8, run_folder / "model.keras", "--runtime", "tflm"), 2)
    assert "without --layers" in one_line(digits("compare", int8, int8, "--runtime", "tflm", "--layers"), 2)


@pytest.mark.slow
def test_compare_unlike_networks(
    cnn_files: dict[str, Path], mlp_files: dict[str, Path], mnist_slice: Dataset, tmp_path: Path
) -> None:
    """Only common operators are compared: here the last layer."""
    data = write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice))
    answer = digits("compare", cnn_files["fp32"], NANO, "--data", data, "--layers", "--json")
    assert answer.code == 0
    assert [layer["operator"] for layer in json.loads(answer.out)["layers"]] == ["FULLY_CONNECTED"]


def test_compare_refuses_other_classes(run_folder: Path, invented: Dataset, tmp_path: Path) -> None:
    """Data with another number of classes than the model is exit 4."""
    few = {part: getattr(invented, f"y_{part}") < 5 for part in ("train", "test")}
    path = tmp_path / "few.npz"
    np.savez(path, **{f"{kind}_{part}": getattr(invented, f"{kind}_{part}")[few[part]] for kind in "xy" for part in few})
    code, _, error = digits("compare", run_folder / "model.keras", run_folder / "model.keras", "--data", path)
    assert code == 4
    assert "5 classes" in error
