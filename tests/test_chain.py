"""The whole chain, once, on a slice of real MNIST: `digits pipeline` from data to report, and on to the device."""

import json
import re
import shutil
from pathlib import Path

import pytest

from benchmarks.results import read_results
from edge_runtime.model_file import read_model_file
from tests.commands import digits
from tests.samples import arrays_of, write_npz
from train.data import Dataset

pytestmark = pytest.mark.slow
RECIPES = ("fp32", "fp16", "dynamic", "int8", "int16x8", "int4")


@pytest.fixture(scope="module")
def chain(mnist_slice: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[object], str]:
    """The folder that the pipeline filled, the words of the call, and what it printed."""
    folder = tmp_path_factory.mktemp("chain")
    write_npz(folder / "slice.npz", arrays_of(mnist_slice))
    words = ["pipeline", "--data", folder / "slice.npz", "--out", folder / "out", "--epochs", 2, "--samples", 100, "--max-drop", 2]
    code, text, error = digits(*words)
    assert code == 0, error
    return folder / "out", words, text


@pytest.fixture
def copied(chain: tuple[Path, list[object], str], tmp_path: Path) -> tuple[Path, list[object]]:
    """The same in another folder, to be changed."""
    folder, words, _ = chain
    shutil.copytree(folder, tmp_path / "out")
    return tmp_path / "out", [tmp_path / "out" if word == folder else word for word in words]


def test_every_model_is_trained_converted_and_measured(chain: tuple[Path, list[object], str]) -> None:
    """Eighteen files that verify and a benchmark of all of them; the convolutional network beats the linear one."""
    folder, _, text = chain
    for name in ("linear", "mlp", "cnn"):
        assert json.loads((folder / "runs" / name / "training.json").read_text())["test"] is None
        for recipe in RECIPES:
            assert digits("verify", folder / "models" / f"{name}-{recipe}.tflite")[0] == 0
    models = {(model.name, model.recipe): model for model in read_results(folder / "results.json").models}
    assert len(models) == 18
    accuracy = {key: model.accuracy.percent for key, model in models.items() if model.accuracy}
    assert accuracy["cnn", "static_wi8_ai8"] > accuracy["linear", "static_wi8_ai8"] > 70
    assert len(text.splitlines()) > 18


def test_every_file_runs_on_both_runtimes(chain: tuple[Path, list[object], str]) -> None:
    """No recipe of any model needs an operator that tflite-runtime 2.14 or ai-edge-litert 1.4 lacks."""
    for path in (chain[0] / "models").glob("*.tflite"):
        manifest = read_model_file(path).manifest
        assert manifest is not None
        dense4 = manifest.recipe == "static_wi4_ai8" and manifest.name != "cnn"  # whose last, dense layer has 8 bits
        old = {} if dense4 else {"tflite-runtime": "2.14.0"}
        assert manifest.minimum_runtime == {"ai-edge-litert": "1.4.0", **old}, path.name


def test_bench_and_conversion_agree(chain: tuple[Path, list[object], str]) -> None:
    """The accuracy that the benchmark measures is, to the last image, what the manifest states."""
    folder, _, _ = chain
    for model in read_results(folder / "results.json").models:
        manifest = read_model_file(folder / "models" / model.file).manifest
        assert manifest is not None
        assert model.accuracy == manifest.accuracy[1].candidate


def test_the_report_is_one_page_with_all_of_it(chain: tuple[Path, list[object], str]) -> None:
    """Tables of data, training, conversion and benchmark, six pictures inside, and no address outside."""
    page = (chain[0] / "report.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == ["In short", "Data", "Training", "Conversion", "Benchmark"]
    assert page.count("data:image/png;base64,") == 6
    assert "http" not in page
    assert page.count("<tr>") == 4 + 4 + 4 + 38 + 19


def test_the_last_line_is_a_command_that_works(chain: tuple[Path, list[object], str]) -> None:
    """What is shown to type next classifies a digit, rightly."""
    last = chain[2].splitlines()[-1]
    assert last.startswith("next:    digits classify ")
    code, text, _ = digits(*last.split()[2:])
    assert (code, ": 7 " in text) == (0, True)


def test_a_second_run_redoes_nothing(chain: tuple[Path, list[object], str]) -> None:
    """Every stage says that it is up to date, and no file is touched."""
    folder, words, _ = chain
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    code, _, error = digits(*words)
    assert code == 0
    assert error.count("up to date") == 9
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_a_damaged_file_is_made_again(copied: tuple[Path, list[object]]) -> None:
    """Only the report is missing, so only the report is made."""
    folder, words = copied
    (folder / "report.html").unlink()
    code, _, error = digits(*words)
    assert (code, error.count("up to date")) == (0, 8)
    assert (folder / "report.html").exists()


@pytest.mark.slow
def test_a_gate_that_says_no_is_exit_3_after_the_report(copied: tuple[Path, list[object]]) -> None:
    """1,000 images cannot prove a drop below 0.1 points; the report is there and warns."""
    folder, words = copied
    code, text, error = digits(*words[:-1], 0.1)
    assert code == 3
    assert "the gate refused" in error
    assert "report:" in text
    assert "the gate refused" in (folder / "report.html").read_text()
