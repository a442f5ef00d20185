"""The whole chain on invented digits where the accuracy gate says no. Where it says yes, `make test-demo` looks at every stage."""

import json
from pathlib import Path

import pytest

from tests.commands import digits

pytestmark = pytest.mark.slow


def test_a_gate_that_says_no_is_exit_3_after_the_report(data_file: Path, tmp_path: Path) -> None:
    """200 images cannot prove a drop below 0.1 points: all is made and measured, the report is there and warns."""
    words = ["--data", data_file, "--epochs", 1, "--samples", 20, "--max-drop", 0.1]
    code, text, error = digits("pipeline", "--out", tmp_path / "out", *words)
    assert code == 3
    assert "the gate refused" in error
    assert "report:" in text
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())["models"]) == 18
    assert "the gate refused" in (tmp_path / "out" / "report.html").read_text()
