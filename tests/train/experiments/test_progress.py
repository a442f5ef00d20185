"""Progress on stderr: a line per cell, with the remaining time."""

import types

import pytest

from tests.train.experiments.samples import invent_result
from train.experiments import progress as progress_module
from train.experiments.grid import Grid
from train.experiments.progress import Progress, format_range

GRID = Grid(hidden_layers=(1,), activations=("relu",), epochs=(3,), seeds=(0, 1, 2, 3))


@pytest.fixture(autouse=True)
def _clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells take the seconds of their results."""
    monkeypatch.setattr(progress_module, "time", types.SimpleNamespace(monotonic=lambda: 5.0))


def test_there_is_a_line_for_each_cell_and_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal: no control characters, no bar."""
    key = "relu-1x128-e3-adam-s{}".format
    results = {key(seed): invent_result(GRID.by_key[key(seed)], 97.5, seconds=20) for seed in range(3)}
    with Progress(GRID.by_key, {key(0): results[key(0)]}) as progress:
        progress.begin(2)
        progress.finished(key(1), results[key(1)], 2)
        progress.failed(key(3), "no memory", 1)
        progress.finished(key(2), results[key(2)], 1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "4 cells, 1 finished before; 2 workers, time left 31 to 41 s",
        "2/4  relu-1x128-e3-adam-s1  97.50 %  20.0 s  time left 20 to 31 s",
        "3/4  relu-1x128-e3-adam-s3  failed: no memory  time left 20 s",
        "4/4  relu-1x128-e3-adam-s2  97.50 %  20.0 s  time left 0 s",
    ]


def test_nothing_is_said_of_time_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither at the start nor when the first cell fails."""
    with Progress(GRID.by_key, {}) as progress:
        progress.begin(1)
        progress.failed("relu-1x128-e3-adam-s0", "no memory", 1)
    assert capsys.readouterr().err.count("time left not known yet") == 2


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (0, 0, "0 s"),
        (3.4, 90, "3 to 90 s"),
        (50, 300, "1 to 5 min"),
        (0, 7000, "0 to 117 min"),
        (3600, 9000, "1.0 to 2.5 h"),
        (300.1, 300.2, "5 min"),
    ],
)
def test_a_range_is_said_in_one_unit(least: float, most: float, expected: str) -> None:
    """The one that suits its maximum."""
    assert format_range(least, most) == expected
