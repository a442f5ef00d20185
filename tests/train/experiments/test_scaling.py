"""What docs/scaling.md says follows from what tools/studies/training/scaling.py measured."""

import re
from dataclasses import replace

import pytest

from tools.pages.marked import filled
from tools.studies.training.scaling import DOC, Measured, Task, answer, estimate, table
from train.experiments.grid import Grid
from train.experiments.trial import TrialResult

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
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


def _part(name: str) -> str:
    """What stands between the document's marks of that name."""
    (found,) = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", DOC.read_text(), re.DOTALL)
    return found


def _documented() -> Measured:
    """The measurements that the document's table states, to the digits that it states."""
    costs = [
        float(cost.split()[0].replace(",", ""))
        for cost in re.findall(r"^\| [^|]+ \| (\d[^|]*) \|$", _part("measured"), re.MULTILINE)
    ]
    empty, empty_scheduler, cell, cell_scheduler, call, result, store, share, start, first, further = costs
    (shared,) = re.findall(r"a data set of ([\d.]+) MB", _part("measured"))
    (machine,) = re.findall(r"^Measured on (.*); medians of", _part("measured"), re.MULTILINE)
    return Measured(
        machine=machine,
        empty=Task(empty / 1e3, empty_scheduler / 1e3),
        cell=Task(cell / 1e3, cell_scheduler / 1e3),
        call_bytes=int(call),
        result_bytes=int(result),
        store=store / 1e3,
        share_bytes=round(1e6 * float(shared)),
        share=share,
        start=start,
        first=first,
        further=further,
    )


def test_the_document_has_the_table_that_the_script_writes() -> None:
    """Its figures, read back and written again, give the same rows, units and line about the machine."""
    assert table(_documented()) == _part("measured")


def test_the_document_s_estimate_follows_from_its_table() -> None:
    """The words are those of the script; each number is what the table's figures give, as far as their rounding lets one tell."""
    written, drawn = _part("estimate"), estimate(_documented())
    assert NUMBER.sub("#", written) == NUMBER.sub("#", drawn)
    assert len(NUMBER.findall(written)) > 15
    for stated, computed in zip(NUMBER.findall(written), NUMBER.findall(drawn), strict=True):
        # A cost that is stated in two digits is known to 5 %; what is told as a whole number, to one.
        assert _number(stated) == pytest.approx(_number(computed), rel=0.05, abs=0 if "." in stated else 1)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def test_what_has_no_place_is_told() -> None:
    """A mark that somebody deleted."""
    assert filled("a\n<!-- x -->\nold\n<!-- /x -->\nb", {"x": "new"}, DOC.name) == "a\n<!-- x -->\nnew\n<!-- /x -->\nb"
    with pytest.raises(SystemExit, match="no place for 'y'"):
        filled("a", {"y": "new"}, DOC.name)


def test_the_task_that_is_measured_answers_what_a_cell_does() -> None:
    """Of the same kind, with as many epochs."""
    config = Grid().cells[5]
    result = answer(config, "", None)
    assert isinstance(result, TrialResult)
    assert len(result.history) == config.epochs == 15
