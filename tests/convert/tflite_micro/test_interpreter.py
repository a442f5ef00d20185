"""Running models in TFLite Micro, in processes of their own."""

from pathlib import Path

import numpy as np
import pytest

from convert.tflite_micro import interpreter
from convert.tflite_micro.interpreter import require, run_micro
from edge_runtime.errors import DigitsError, MissingPackage, ModelFileError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import read_model_file
from tests.convert.c_code.graphs import GraphBuilder
from train.data import Dataset


@pytest.mark.usefixtures("tflite_micro")
@pytest.mark.parametrize("name", ["small", "base-fp32"])
def test_outputs_are_near_those_of_litert_in_the_order_of_images(name: str, mnist: Dataset) -> None:
    """Of int8 and float models, on several processes: within a step, or within rounding."""
    images = mnist.validation.images[:110]
    model = read_model_file(Path(name))
    found = run_micro(model.flatbuffer, images)
    assert found.outputs.dtype == model.output.dtype
    expected = Classifier(model).classify_batch(images).logits
    scale, zero = model.output.scale, model.output.zero_point
    logits = (found.outputs.astype(float) - zero) * scale if scale else found.outputs
    assert np.abs(logits - expected).max() < (2.5 * scale if scale else 1e-3)
    assert 1_000 < found.arena_bytes < 200_000


@pytest.mark.usefixtures("tflite_micro")
def test_a_model_that_it_refuses_is_refused_with_its_reason() -> None:
    """Dense layers with 4 bits and a scale for each channel."""
    graph = GraphBuilder(1, bits=4).reshape(784).dense(10).finish()
    with pytest.raises(ModelFileError, match="kTfLiteInt4"):
        run_micro(graph, np.zeros((1, 28, 28), np.uint8))


@pytest.mark.usefixtures("tflite_micro")
def test_a_crash_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the child, not of this process."""
    monkeypatch.setattr(interpreter, "_CHILD", "import os\nos.abort()")
    with pytest.raises(DigitsError, match="exit code -6"):
        run_micro(read_model_file(Path("small")).flatbuffer, np.zeros((1, 28, 28), np.uint8))


def test_where_it_is_missing_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the project's extra."""
    monkeypatch.setattr(interpreter, "installed_version", lambda: None)
    with pytest.raises(MissingPackage, match=r"pip install '\.\[tflm\]'"):
        require()
