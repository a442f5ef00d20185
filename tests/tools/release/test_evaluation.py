"""Evaluations of released models: counts that add up, and files that do not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.common.json_codec import to_json
from edge_runtime.errors import DataError
from tools.release.evaluation import (
    FileEvaluation,
    Mistake,
    ReleaseEvaluation,
    class_percents,
    evaluate_answers,
    read_evaluation,
)

LABELS = np.array([0, 0, 1, 1, 2, 2, 2, 1], np.uint8)
ANSWERS = np.array([0, 1, 1, 1, 2, 0, 2, 1])


def _release() -> ReleaseEvaluation:
    validation, test = (evaluate_answers(split, ANSWERS, LABELS, 3) for split in ("validation", "test"))
    file = FileEvaluation("float32", "ab" * 32, "cd" * 32, 900, 500, 0, True, validation, test)
    return ReleaseEvaluation(1, "nano", 0, "ef" * 32, "01" * 32, "ai-edge-litert 2.3.0", (file,))


def test_answers_are_counted_by_label_and_answer() -> None:
    """Rows are labels, columns answers; mistakes are listed with their image."""
    found = evaluate_answers("test", ANSWERS, LABELS, 3)
    assert (found.accuracy.correct, found.accuracy.total) == (6, 8)
    assert found.confusion == ((1, 1, 0), (0, 3, 0), (1, 0, 2))
    assert found.mistakes == (Mistake(1, 0, 1), Mistake(5, 2, 0))
    assert class_percents(found) == [50, 100, pytest.approx(100 * 2 / 3)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_any_answers_make_an_evaluation_that_adds_up(pairs: list[tuple[int, int]]) -> None:
    """Every image is in the matrix once, every mistake in the list once, and it survives JSON."""
    labels, answers = np.array(pairs).T
    found = evaluate_answers("test", answers, labels, 4)
    assert np.sum(found.confusion) == len(pairs)
    assert [(m.index, m.label, m.answer) for m in found.mistakes] == [(i, *p) for i, p in enumerate(pairs) if p[0] != p[1]]


def test_no_answers_are_refused() -> None:
    """Nothing divided by nothing is no accuracy."""
    with pytest.raises(ValueError, match="0"):
        evaluate_answers("test", ANSWERS[:0], LABELS[:0], 3)


def test_a_file_is_found_by_its_recipe() -> None:
    """An unknown one is an error that names it."""
    assert _release().file("float32").of("test").split == "test"
    with pytest.raises(DataError, match="nano seed 0 was not evaluated as float16"):
        _release().file("float16")


def _change(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(to_json(_release()))
    change(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(schema_version=2), "schema version 2"),
        (lambda v: v.pop("runtime"), "missing field 'runtime'"),
        (lambda v: v["files"][0].update(file_bytes="900"), "file_bytes"),
        (lambda v: v["files"][0]["test"]["accuracy"].update(correct=7, interval=[0, 100]), "confusion matrix of 6 right"),
        (lambda v: v["files"][0]["test"]["confusion"].pop(), "confusion matrix"),
        (lambda v: v["files"][0]["test"]["confusion"][0].append(0), "confusion matrix"),
        (lambda v: v["files"][0]["test"]["mistakes"].pop(), "mistakes"),
        (lambda v: v["files"][0]["test"]["mistakes"].reverse(), "mistakes"),
        (lambda v: v["files"][0]["test"]["mistakes"][0].update(answer=9), "mistakes"),
        (lambda v: v["files"][0]["test"]["mistakes"][0].update(label=-1), "mistakes"),
    ],
)
def test_a_file_whose_figures_do_not_fit_is_refused(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    """The error names the file and the figure."""
    path = tmp_path / "evaluation.json"
    _change(path, change)
    with pytest.raises(DataError, match=message):
        read_evaluation(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_file_that_is_no_evaluation_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, truncated, no text, no object."""
    path = tmp_path / "evaluation.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"evaluation\.json"):
        read_evaluation(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_evaluation(tmp_path / "none.json")
