"""The committed 4-bit files: judged again by code of the test's own, as good as promised, and on the page as they are."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tools.release.int4 import main
from tools.release.layout import Layout
from train.data import Dataset

FOLDER = ROOT / "train" / "releases" / "int4"
SEEDS = range(3)
EVALUATED = json.loads((FOLDER / "evaluation.json").read_text())
FILES = EVALUATED["files"]


def _of(name: str) -> list[dict]:
    found = [file for file in FILES if file["name"] == name]
    assert [file["seed"] for file in found] == list(SEEDS)
    return found


def _int8_payload(name: str) -> int:
    text = (ROOT / "train" / "releases" / f"{name}-seed0" / "evaluation.json").read_text()
    (found,) = (file for file in json.loads(text)["files"] if file["recipe"] == "static_wi8_ai8")
    return int(found["payload_bytes"])


@pytest.mark.parametrize("name", ["nano", "small", "base"])
def test_4_bits_cost_next_to_nothing(name: str) -> None:
    """At most 0.10 points under the float model, mean of three seeds, at 0.62 times the int8 file's payload or less."""
    files = _of(name)
    assert np.mean([file["test"]["reference"]["correct"] - file["test"]["candidate"]["correct"] for file in files]) <= 10
    assert all(file["payload_bytes"] <= 0.62 * _int8_payload(name) for file in files)


@pytest.mark.parametrize(("name", "budget", "least"), [("nano", 5_360, 9_930), ("micro", 8_192, 9_945), ("mini", 11_264, 9_960)])
def test_a_network_is_as_good_as_promised_within_its_bytes(name: str, budget: int, least: int) -> None:
    """Mean of three seeds on the test images."""
    files = _of(name)
    assert all(file["payload_bytes"] <= budget for file in files)
    assert np.mean([file["test"]["candidate"]["correct"] for file in files]) >= least


@pytest.mark.parametrize("name", ["nano", "micro"])
def test_the_count_is_that_of_plain_litert(name: str, mnist: Dataset) -> None:
    """Seed 0 on all test images, in batches, by code that shares none with what judged it."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(FOLDER / f"{name}-seed0-int4.tflite"))
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], [100, 28, 28, 1])
    interpreter.allocate_tensors()
    right = 0
    for start in range(0, 10_000, 100):
        interpreter.set_tensor(
            source["index"], (mnist.x_test[start : start + 100].astype(np.int16) - 128).astype(np.int8)[..., np.newaxis]
        )
        interpreter.invoke()
        right += int(np.sum(interpreter.get_tensor(sink["index"]).argmax(axis=1) == mnist.y_test[start : start + 100]))
    assert right == _of(name)[0]["test"]["candidate"]["correct"]


def test_every_file_is_the_one_that_was_judged() -> None:
    """By its hash, in the runtime of this environment, so that its counts are those of that time; and none is missing."""
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.tflite")}
    assert {f"{file['name']}-seed{file['seed']}-int4.tflite": file["sha256"] for file in FILES} == digests
    assert EVALUATED["runtime"] == f"ai-edge-litert {version('ai-edge-litert')}"


@pytest.mark.slow
def test_a_seed_of_each_network_is_judged_again(tmp_path: Path) -> None:
    """Every count, by the tool, and the file is of the Keras model that lies beside its seed."""
    (tmp_path / "train" / "releases" / "int4").mkdir(parents=True)
    layout = Layout(tmp_path)
    for path in FOLDER.glob("*-seed0-int4.tflite"):
        (layout.releases / "int4" / path.name).symlink_to(path)
        seed = path.name.removesuffix("-int4.tflite")
        (layout.releases / seed).symlink_to(FOLDER.parent / seed)
    of_seed = {**EVALUATED, "files": [file for file in FILES if file["seed"] == 0]}
    (layout.releases / "int4" / "evaluation.json").write_text(json.dumps(of_seed, indent=1) + "\n")
    main(["--check"], layout)
