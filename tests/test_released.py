"""The released models, judged by plain ai-edge-litert on all test images: shares no code with what made, runs or describes them."""

import hashlib
import io
import json
import re
import zipfile
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT

NAMES = ("nano", "small", "base")
RECIPES = {"fp32": "float32", "int8": "static_wi8_ai8"}
PAGE = ROOT / "docs" / "models.md"

# Until the page is there nothing has been released; from then on every model, file and evaluation has to be.
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="nothing has been released yet")
every_file = pytest.mark.parametrize(("name", "recipe"), [(name, recipe) for name in NAMES for recipe in RECIPES])
every_model = pytest.mark.parametrize("name", NAMES)


def _content(name: str, recipe: str) -> bytes:
    return (ROOT / "edge_runtime" / "models" / f"{name}-{recipe}.tflite").read_bytes()


@cache
def _wrong(name: str, recipe: str) -> list[int]:
    """Numbers of the test images that a file gets wrong."""
    from ai_edge_litert.interpreter import Interpreter

    with np.load(ROOT / "train" / "data" / "mnist.npz") as arrays:
        images, labels = arrays["x_test"], arrays["y_test"]
    interpreter = Interpreter(model_content=_content(name, recipe), num_threads=2)
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], [100, *source["shape"][1:]])
    interpreter.allocate_tensors()
    scale, zero_point = source["quantization"] if source["quantization"][0] else (1.0, 0)
    answers = []
    for batch in images.reshape(-1, 100, *source["shape"][1:]):
        interpreter.set_tensor(source["index"], np.rint(batch / scale + zero_point).astype(source["dtype"]))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(sink["index"]).argmax(axis=1))
    return np.flatnonzero(np.concatenate(answers) != labels).tolist()


def _manifest(name: str, recipe: str) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(_content(name, recipe))) as archive:
        return json.loads(archive.read("manifest.json"))


def _evaluated(name: str, recipe: str, seed: int = 0) -> dict[str, Any]:
    text = (ROOT / "train" / "releases" / f"{name}-seed{seed}" / "evaluation.json").read_text()
    (found,) = (file for file in json.loads(text)["files"] if file["recipe"] == RECIPES[recipe])
    return found


def _card(name: str) -> str:
    """The page's part about a model."""
    (found,) = re.findall(rf"^## {name}$(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return found


def _documented(name: str, recipe: str) -> list[int]:
    """The page's counts of right answers to the 10,000 test images, seed by seed."""
    (row,) = re.findall(rf"^\| {recipe} \| test \|.*$", _card(name), re.MULTILINE)
    return [int(count.replace(",", "")) for count in re.findall(r"\(([\d,]+) of 10,000;", row)]


@every_file
def test_a_file_does_what_everything_says_of_it(name: str, recipe: str) -> None:
    """The page, the manifest inside the file, and evaluation.json state this very count of right answers, the last image by image."""
    right = 10_000 - len(_wrong(name, recipe))
    (stated,) = (entry["candidate"] for entry in _manifest(name, recipe)["accuracy"] if entry["split"] == "test")
    evaluated = _evaluated(name, recipe)["test"]["accuracy"]
    assert _documented(name, recipe)[0] == right
    assert (stated["correct"], stated["total"]) == (right, 10_000)
    assert (evaluated["correct"], evaluated["total"]) == (right, 10_000)
    assert [mistake["index"] for mistake in _evaluated(name, recipe)["test"]["mistakes"]] == _wrong(name, recipe)


@every_file
def test_a_file_is_the_one_that_was_evaluated(name: str, recipe: str) -> None:
    """By its hash, which is on the page too."""
    digest = hashlib.sha256(_content(name, recipe)).hexdigest()
    assert _evaluated(name, recipe)["sha256"] == digest
    assert f"`{digest}`" in _card(name)


@every_file
def test_the_page_has_the_counts_of_all_seeds(name: str, recipe: str) -> None:
    """Those of evaluation.json, and their mean to three decimals."""
    counts = [_evaluated(name, recipe, seed)["test"]["accuracy"]["correct"] for seed in range(3)]
    assert _documented(name, recipe) == counts
    (row,) = re.findall(rf"^\| {recipe} \| test \|.*$", _card(name), re.MULTILINE)
    assert f"**{sum(counts) / 300:.3f} %**" in row


@every_model
def test_a_model_fits_into_its_budget(name: str) -> None:
    """nano: payload within 8,192 bytes. small: the whole int8 file within 40,000 bytes. base: within 100,000."""
    if name == "nano":
        assert _evaluated(name, "int8")["payload_bytes"] <= 8_192
    else:
        assert len(_content(name, "int8")) <= {"small": 40_000, "base": 100_000}[name]


@every_model
def test_a_model_is_as_good_as_promised(name: str) -> None:
    """Mean of three seeds, as int8, on the test images."""
    counts = [_evaluated(name, "int8", seed)["test"]["accuracy"]["correct"] for seed in range(3)]
    assert sum(counts) / 3 >= {"nano": 9_940, "small": 9_950, "base": 9_970}[name]


def _logarithms(result: dict[str, Any], name: str, recipe: str) -> np.ndarray:
    """Of a model's median nanoseconds of a call in each process, from grouped calls where it has any."""
    (model,) = (found for found in result["models"] if (found["name"], found["recipe"]) == (name, RECIPES[recipe]))
    grouped = {turn["process"] for turn in model["turns"] if turn["group"] > 1}
    turns = [turn for turn in model["turns"] if turn["group"] > 1 or turn["process"] not in grouped]
    processes = sorted({turn["process"] for turn in turns})
    calls = [
        np.concatenate([np.divide(turn["samples_ns"], turn["group"]) for turn in turns if turn["process"] == process])
        for process in processes
    ]
    return np.log([np.median(found) for found in calls])


@every_file
def test_the_page_says_faster_or_slower_as_the_raw_samples_do(name: str, recipe: str) -> None:
    """Counted again from the committed samples: the quotient to the tutorial's network, its interval over processes, and the verdict."""
    from scipy.stats import ttest_1samp

    (board,) = (ROOT / "benchmarks" / "reference").glob("models-*.json")
    result = json.loads(board.read_text())
    logs = _logarithms(result, name, recipe) - _logarithms(result, "tutorial", recipe)
    assert logs.size >= 5
    low, high = np.exp(ttest_1samp(logs, 0).confidence_interval(0.95))
    assert f"| {np.exp(logs.mean()):.3f} ({low:.3f} to {high:.3f}) |\n" in _row(name, recipe)
    verdict = "it is faster" if high < 1 else "it is slower" if low > 1 else "no difference was found"
    (said,) = re.findall(rf"^In the same run .*\bas {recipe} ([a-z ]+)", _card(name), re.MULTILINE)
    assert said == verdict


def _row(name: str, recipe: str) -> str:
    """The row of the card's table of latencies that is of the model itself."""
    (found,) = re.findall(rf"^\| {name} {recipe} \| .* us .*\n", _card(name), re.MULTILINE)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@every_model
def test_the_committed_weights_give_what_was_written_down(name: str, seed: int) -> None:
    """Converted and judged again, each seed's files are those of its evaluation.json: the tool raises where something differs."""
    from tools.release.evaluate import evaluate_release
    from tools.release.layout import Layout
    from train.data import load_dataset

    found = evaluate_release(name, seed, load_dataset(), Layout())
    assert [file.test.accuracy.correct for file in found.files] == [
        _evaluated(name, recipe, seed)["test"]["accuracy"]["correct"] for recipe in RECIPES
    ]


def test_pictures_are_small() -> None:
    """Each below 80 KB, and all that the page shows are there."""
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", PAGE.read_text())
    assert len(shown) == 2 * len(NAMES)
    assert all((PAGE.parent / path).stat().st_size < 80_000 for path in shown)
