"""What docs/scaling.md says follows from what tools/scaling.py measured."""

from dataclasses import replace

import pytest

from tools.marked import filled
from tools.scaling import DOC, Measured, Task, answer, estimate, table
from train.experiments.cells import CellResult
from train.experiments.grid import Grid

MEASURED = Measured(
    machine="a board",
    empty=Task(0.0007, 0.0004),
    cell=Task(0.0012, 0.0005),
    call_bytes=700,
    result_bytes=1_500,
    store=0.001,
    share_bytes=55_000_000,
    share=0.4,
    start=3.0,
    first=27.0,
    further=20.0,
)


def test_the_table_has_what_was_measured() -> None:
    """In units that suit it."""
    text = table(MEASURED)
    for part in (
        "| 0.70 ms |",
        "| 0.40 ms |",
        "| 700 bytes |",
        "| 1,500 bytes |",
        "55.0 MB to both workers",
        "| 0.40 s |",
        "| 27.0 s |",
        "a board",
    ):
        assert part in text


def test_the_estimate_is_drawn_from_the_measurements() -> None:
    """50 cells a second at half a millisecond are 2.5 % of a core; a third of a worker's time with one cell is not training."""
    text = estimate(MEASURED)
    assert "(50 a second) keep it busy for 2 % of one core" in text
    assert "cells shorter than about 0.5 s" in text
    assert "spends about 33 % of its time" in text
    assert "keeps 1,000 results a second" in text
    assert "10 rounds, about 4 s" in text
    assert estimate(replace(MEASURED, cell=Task(0.01, 0.01))) != text


def test_the_document_has_both_between_its_marks() -> None:
    """Every row of the table is there, with numbers."""
    text = DOC.read_text()
    parts = {name: text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0] for name in ("measured", "estimate")}
    for name, part in parts.items():
        assert part.count("\n") > 3, f"{name}: run python -m tools.scaling"
    assert "- **The scheduler.**" in parts["estimate"]
    assert filled(text, parts, DOC.name) == text
    assert filled(text, dict.fromkeys(parts, "new"), DOC.name).count("\nnew\n") == 2


def test_what_has_no_place_is_told() -> None:
    """A mark that somebody deleted."""
    assert filled("a\n<!-- x -->\nold\n<!-- /x -->\nb", {"x": "new"}, DOC.name) == "a\n<!-- x -->\nnew\n<!-- /x -->\nb"
    with pytest.raises(SystemExit, match="no place for 'y'"):
        filled("a", {"y": "new"}, DOC.name)


def test_the_task_that_is_measured_answers_what_a_cell_does() -> None:
    """Of the same kind, with as many epochs."""
    config = Grid().cells[5]
    result = answer(config, "", None)
    assert isinstance(result, CellResult)
    assert len(result.history) == config.epochs == 15
