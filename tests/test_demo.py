"""What `make demo` made, judged by plain ai-edge-litert on all 10,000 test images (`make test-demo`). Shares no code with the runtime."""

import json

import numpy as np
import pytest

from tests.conftest import ROOT
from train.data import Dataset

pytestmark = pytest.mark.demo

MODELS = ROOT / "demo" / "models"
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
    return {
        f"{name}-{recipe}": _correct(f"{name}-{recipe}.tflite", mnist) for name in ("linear", "mlp", "cnn") for recipe in RECIPES
    }


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
