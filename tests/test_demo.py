"""What `make demo` made, from data to report and on to the device, and made once more (`make test-demo`).

Accuracy is judged by plain ai-edge-litert on all 10,000 test images, by code that shares nothing with the runtime.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.results.results import read_results
from edge_runtime.model.model_file import read_model_file
from tests.commands import Answer, digits
from tests.conftest import ROOT
from train.data import Dataset

pytestmark = pytest.mark.demo

DEMO = ROOT / "demo"
MODELS = DEMO / "models"
NAMES = ("linear", "mlp", "cnn")
RECIPES = ("fp32", "fp16", "dynamic", "int8", "int16x8", "int4")


def _correct(name: str, data: Dataset) -> int:
    """How many of the test images a file gets right, in batches of 100."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(MODELS / name), num_threads=2)
    source = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(source["index"], [100, *source["shape"][1:]])
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"] if source["quantization"][0] else (1.0, 0)
    correct = 0
    for start in range(0, len(data.y_test), 100):
        values = np.rint(data.x_test[start : start + 100].reshape(source["shape"]) / scale + zero_point)
        interpreter.set_tensor(source["index"], values.astype(source["dtype"]))
        interpreter.invoke()
        answers = interpreter.get_tensor(sink["index"]).argmax(axis=1)
        correct += int((answers == data.y_test[start : start + 100]).sum())
    return correct


@pytest.fixture(scope="module")
def correct(mnist: Dataset) -> dict[str, int]:
    """Correct answers of every file, such as cnn-int8."""
    return {f"{name}-{recipe}": _correct(f"{name}-{recipe}.tflite", mnist) for name in NAMES for recipe in RECIPES}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The demo in another place, for a test that runs the pipeline again."""
    return shutil.copytree(DEMO, tmp_path / "demo", copy_function=shutil.copy2)


def _again(folder: Path) -> Answer:
    answer = digits("pipeline", "--out", folder)
    assert answer.code == 0, answer.err
    return answer


def test_the_models_are_as_good_as_promised(correct: dict[str, int]) -> None:
    """Mlp at least 97.5 %, cnn at least 99.0 % as float, and its int8 file no more than 0.15 points below."""
    assert correct["mlp-fp32"] >= 9_750
    assert correct["cnn-fp32"] >= 9_900
    assert correct["cnn-int8"] >= correct["cnn-fp32"] - 15


def test_the_results_file_says_the_same(correct: dict[str, int]) -> None:
    """The benchmark's counts are these counts, to the last image."""
    results = json.loads((ROOT / "demo" / "results.json").read_text())
    stated = {model["file"].removesuffix(".tflite"): model["accuracy"]["correct"] for model in results["models"]}
    assert stated == correct


def test_the_benchmark_says_what_the_manifests_say() -> None:
    """The accuracy that the benchmark measures is, to the last image, what conversion wrote down."""
    for model in read_results(DEMO / "results.json").models:
        manifest = read_model_file(MODELS / model.file).manifest
        assert manifest is not None
        assert model.accuracy == manifest.accuracy[1].candidate


def test_every_model_is_trained_converted_and_measured(correct: dict[str, int]) -> None:
    """Eighteen files that verify, and a benchmark of all of them; training looked at no test image."""
    for name in NAMES:
        assert json.loads((DEMO / "runs" / name / "training.json").read_text())["test"] is None
        for recipe in RECIPES:
            assert digits("verify", MODELS / f"{name}-{recipe}.tflite").code == 0
    assert len(read_results(DEMO / "results.json").models) == len(correct) == 18


def test_every_file_runs_on_both_runtimes() -> None:
    """No recipe of any model needs an operator that tflite-runtime 2.14 or ai-edge-litert 1.4 lacks."""
    for path in MODELS.glob("*.tflite"):
        manifest = read_model_file(path).manifest
        assert manifest is not None
        dense4 = manifest.recipe == "static_wi4_ai8" and manifest.name != "cnn"  # whose last, dense layer has 8 bits
        old = {} if dense4 else {"tflite-runtime": "2.14.0"}
        assert manifest.minimum_runtime == {"ai-edge-litert": "1.4.0", **old}, path.name


def test_the_report_is_one_page_with_all_of_it() -> None:
    """Tables of data, training, conversion and benchmark, six pictures inside, and no address outside."""
    page = (DEMO / "report.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == ["In short", "Data", "Training", "Conversion", "Benchmark"]
    assert page.count("data:image/png;base64,") == 6
    assert "http" not in page
    assert page.count("<tr>") == 4 + 4 + 4 + 38 + 19


def test_a_second_run_redoes_nothing(copy: Path) -> None:
    """Every stage says that it is up to date, and no file is touched; the last line is a command that classifies a digit, rightly."""
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    answer = _again(copy)
    assert answer.err.count("up to date") == 9
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()} == before
    assert len(answer.out.splitlines()) > 18
    last = answer.out.splitlines()[-1]
    assert last.startswith("next:    digits classify ")
    code, text, _ = digits(*last.split()[2:])
    assert (code, ": 7 " in text) == (0, True)


def test_a_missing_file_is_made_again(copy: Path) -> None:
    """Only the report is gone, so only the report is made."""
    (copy / "report.html").unlink()
    assert _again(copy).err.count("up to date") == 8
    assert (copy / "report.html").exists()
