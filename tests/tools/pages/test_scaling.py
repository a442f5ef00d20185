"""What docs/results/scaling.md says follows from what the studies of many workers measured."""

import re
from dataclasses import replace

import pytest

from edge_runtime.common.json_codec import from_json, read_json, to_json
from tests.conftest import ROOT
from tools.pages.scaling import estimate, read_measured, table
from tools.release.layout import Layout
from tools.studies.device import run_batches
from tools.studies.device.run_batches import Spread, Turn
from tools.studies.training import scaling
from tools.studies.training.scaling import Measured, Task, answer
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
    assert "trainings shorter than about 0.5 s" in text
    assert "spends about 33 % of its time" in text
    assert "keeps 1,000 results a second" in text
    assert "10 rounds, about 4 s" in text
    assert estimate(replace(MEASURED, cell=Task(0.01, 0.01))) != text


def test_the_page_has_what_follows_from_the_committed_measurements() -> None:
    """The table and the estimate of the committed results, word for word, and more than fifteen figures in the estimate."""
    page = (ROOT / "docs" / "results" / "scaling.md").read_text()
    found = read_measured(Layout())
    assert table(found) in page
    assert estimate(found) in page
    assert len(NUMBER.findall(estimate(found))) > 15


def test_results_survive_being_written() -> None:
    """Reading and writing again gives the same, of both committed files."""
    for kind, name in ((Measured, scaling.RESULT), (Spread, run_batches.RESULT)):
        found = read_json(kind, Layout().results / name)
        assert from_json(kind, to_json(found)) == found


def test_classification_is_compared_with_one_worker() -> None:
    """A worker's ratio is to one worker of the same round; rates and processor times are medians."""
    turns = {
        0: [Turn(10, 5, 0), Turn(20, 5, 0), Turn(30, 5, 0)],
        1: [Turn(20, 1, 2), Turn(20, 3, 2), Turn(20, 2, 2)],
    }
    alone, one = run_batches.spread("a board", turns).ways
    assert (alone.workers, alone.images_per_second, alone.ratio) == (0, run_batches.IMAGES / 20, 1.0)
    assert (one.ratio, one.client_us, one.scheduler_us) == (1.0, pytest.approx(20.0), pytest.approx(20.0))


def test_the_task_that_is_measured_answers_what_a_cell_does() -> None:
    """Of the same kind, with as many epochs."""
    config = Grid().cells[5]
    result = answer(config, "", None)
    assert isinstance(result, TrialResult)
    assert len(result.history) == config.epochs == 15
