"""The plots of a page about several results: which axes they share."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import matplotlib.legend
import pytest
from matplotlib.figure import Figure

from benchmarks.comparison import plots
from benchmarks.results.results import BenchResult
from tests.benchmarks.samples import COLD, bench_result, many_processes

SLOW = tuple(replace(start, imports_ns=10 * start.imports_ns) for start in COLD)
QUICK_BOARD = bench_result(many_processes([1_000, 1_010, 1_020]))
SLOW_BOARD = bench_result(many_processes([50_000, 60_000, 90_000], cold=SLOW))


@pytest.mark.parametrize("plot", [plots.tails, plots.cold_starts, plots.accuracy_against_size])
def test_a_slow_machine_draws_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, plot: Callable[[BenchResult, list[BenchResult]], bytes]
) -> None:
    """A warning comes if matplotlib looked for a place for the legend for more than a second; here each look at the clock takes two."""
    clock = itertools.count(step=2.0)
    monkeypatch.setattr(matplotlib.legend.time, "perf_counter", lambda: next(clock))
    assert plot(QUICK_BOARD, [QUICK_BOARD])


@pytest.mark.parametrize("plot", [plots.tails, plots.processes, plots.cold_starts])
def test_plots_of_several_boards_share_their_axis(
    monkeypatch: pytest.MonkeyPatch, plot: Callable[[BenchResult, list[BenchResult]], bytes]
) -> None:
    """So they can be compared by eye; alone, a board has an axis of its own."""
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "png", lambda figure: figures.append(figure) or b"")
    boards = [QUICK_BOARD, SLOW_BOARD]
    for board in boards:
        plot(board, boards)
    plot(QUICK_BOARD, [QUICK_BOARD])
    shared, other, alone = [figure.axes[0].get_xlim() for figure in figures]
    assert shared == pytest.approx(other)
    assert shared[1] > 1.5 * alone[1]
