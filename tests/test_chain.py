"""The whole chain on invented digits where the accuracy gate says no. Where it says yes, `make test-demo` looks at every stage."""

import json
from pathlib import Path

import pytest

from benchmarks.pipeline import cli
from convert.quantization.recipes import RECIPES
from tests.commands import digits

pytestmark = pytest.mark.slow


def test_a_gate_that_says_no_is_exit_3_after_the_report(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 images cannot prove a drop below 0.1 points: all is made and measured, the report is there and warns.

    Two of the three models, by three of the six recipes.
    """
    monkeypatch.setattr(cli, "_EPOCHS", {"linear": 1, "cnn": 1})
    monkeypatch.setattr(cli, "RECIPES", {short: RECIPES[short] for short in ("fp32", "int8", "int4")})
    words = ["--data", data_file, "--epochs", 1, "--samples", 20, "--max-drop", 0.1]
    code, text, error = digits("pipeline", "--out", tmp_path / "out", *words)
    assert code == 3
    assert "the gate refused" in error
    assert "report:" in text
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())["models"]) == 6
    assert "the gate refused" in (tmp_path / "out" / "report.html").read_text()
