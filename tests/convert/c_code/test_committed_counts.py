"""Logits that differ, as docs/results/microcontrollers.md counts them (tools.studies.conversion.same_logits)."""

from pathlib import Path

import pytest

from edge_runtime.common.json_codec import read_json
from edge_runtime.model.model_file import find_model, read_model_file
from tools.release.layout import Layout
from tools.studies.conversion.microcontrollers import released_files
from tools.studies.conversion.same_logits import RESULT, SameLogitsResult, count_logits
from train.data import Dataset


@pytest.mark.usefixtures("compiler", "tflite_micro")
def test_c_code_has_the_logits_of_its_oracle(mnist: Dataset) -> None:
    """Of each rounding; labels are counted in images."""
    found = count_logits("small", find_model(Path("small")), mnist.validation.images[:60])
    assert (found.logits, found.labels, found.c_from_litert, found.c_from_tflm) == (600, 60, 0, 0)
    assert found.largest <= 1


def test_the_committed_counts_are_of_the_released_files() -> None:
    """All of them, on all test images, without a logit that differs from the oracle's."""
    layout = Layout()
    found = read_json(SameLogitsResult, layout.results / RESULT)
    assert [model.sha256 for model in found.models] == [read_model_file(path).sha256 for _, path in released_files(layout)]
    assert {(model.logits, model.c_from_litert, model.c_from_tflm) for model in found.models} == {(100_000, 0, 0)}
