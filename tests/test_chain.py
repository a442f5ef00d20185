"""The whole chain on a slice of real MNIST where the accuracy gate says no. Where it says yes, `make test-demo` looks at every stage."""

import json
from pathlib import Path

import pytest

from tests.commands import digits
from tests.samples import arrays_of, write_npz
from train.data import Dataset

pytestmark = pytest.mark.slow


def test_a_gate_that_says_no_is_exit_3_after_the_report(mnist_slice: Dataset, tmp_path: Path) -> None:
    """1,000 images cannot prove a drop below 0.1 points: all is made and measured, the report is there and warns."""
    write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice))
    words = ["--data", tmp_path / "slice.npz", "--epochs", 1, "--samples", 100, "--max-drop", 0.1]
    code, text, error = digits("pipeline", "--out", tmp_path / "out", *words)
    assert code == 3
    assert "the gate refused" in error
    assert "report:" in text
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())["models"]) == 18
    assert "the gate refused" in (tmp_path / "out" / "report.html").read_text()
