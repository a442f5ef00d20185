"""Figures from raw samples, against values computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import median_interval, median_ns, process_medians, ratio, spread, tail_ns
from benchmarks.further import further_tables
from benchmarks.results import Sweep
from tests.benchmarks.samples import bench_result, many_processes, model_result, turns


def test_models_that_slow_down_together_keep_their_ratio() -> None:
    """Half of the processes took twice as long for both: the ratio is certain all the same."""
    found = ratio(many_processes([3_000, 6_000] * 5), many_processes([2_000, 4_000] * 5))
    assert (found.value, found.interval) == (pytest.approx(1.5), pytest.approx((1.5, 1.5)))


def test_the_interval_of_a_ratio_is_students_over_processes() -> None:
    """Of three processes: 4.303 standard errors of the logarithm to either side."""
    found = ratio(many_processes([1_100, 1_000, 900]), many_processes([1_000] * 3))
    logs = np.log([1.1, 1.0, 0.9])
    half = 4.302653 * logs.std(ddof=1) / 3**0.5
    assert found.value == pytest.approx(np.exp(logs.mean()))
    assert found.interval == pytest.approx((np.exp(logs.mean() - half), np.exp(logs.mean() + half)))


def test_one_process_has_no_interval() -> None:
    """However many calls it made: they are no independent witnesses."""
    one = many_processes([5_000])
    assert (ratio(one, one).interval, median_interval(one.turns)) == (None, None)


def test_models_of_different_processes_have_no_ratio() -> None:
    """They were not interleaved."""
    with pytest.raises(ValueError, match="not timed in the same processes"):
        ratio(many_processes([1_000] * 2), many_processes([1_000] * 3))


def test_groups_count_for_the_median_and_single_calls_for_tails() -> None:
    """A sample of a group is divided by its calls."""
    model = model_result(turns=(*turns([9_000] * 1_000), *turns([20_000] * 100, group=4)))
    assert (median_ns(model.median_turns), tail_ns(model, 99)) == (5_000, 9_000)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8))
def test_the_median_of_a_process_is_its_own(medians: list[int]) -> None:
    """And the largest distance from the middle of all is their spread."""
    model = many_processes(medians)
    assert process_medians(model.turns) == dict(enumerate(map(float, medians)))
    middle = float(np.median(medians))
    assert spread(process_medians(model.turns)) == pytest.approx(max(abs(median - middle) for median in medians) / middle)


def test_sweeps_have_a_row_each_and_their_baseline() -> None:
    """Single images come first; a median of few samples has no interval."""
    eight = tuple(turn for process, median in enumerate((80_000, 84_000)) for turn in turns([median] * 5, process, batch=8))
    two = tuple(turn for process in range(2) for turn in turns([9_000] * 20, process))
    model = replace(many_processes([10_000] * 2), sweeps=(Sweep(1, 8, eight), Sweep(2, 1, two)))
    table = next(table for table in further_tables(bench_result(model)) if table.name == "Threads and batches")
    assert table.rows == [
        (model.label, "1", "1", "10.0 us", "10.0 to 10.0 us", "10.0 us"),
        (model.label, "1", "8", "84.0 us", "-", "10.5 us"),
        (model.label, "2", "1", "9.0 us", "9.0 to 9.0 us", "9.0 us"),
    ]


def test_a_sweep_that_the_clock_cannot_see_has_no_interval() -> None:
    """Times of 0 have no logarithm."""
    assert median_interval([*turns([0] * 9), *turns([0] * 9, 1)]) is None


def test_every_process_counts_for_the_median_whether_it_made_groups_or_not() -> None:
    """One found single calls of 21 us just long enough, the other did not."""
    single, both = turns([21_000] * 20, 0), (*turns([99_000] * 20, 1), *turns([40_000] * 10, 1, group=2))
    model = replace(many_processes([21_000] * 2), turns=(*single, *both))
    assert process_medians(model.median_turns) == {0: 21_000, 1: 20_000}
    assert median_ns(model.median_turns) == 21_000
    assert len(model.steady_ns) == 40


@pytest.mark.parametrize(("samples", "median"), [([7], 7), ([5, 9], 9), ([3, 9, 5], 5), (list(range(1, 20)), 10)])
def test_few_samples_have_a_median_without_an_interval(samples: list[int], median: int) -> None:
    """The upper of two in the middle; not even several processes give so few an interval."""
    found = [*turns(samples[::2]), *turns(samples[1::2], 1)]
    assert median_ns(found) == median
    assert median_interval(found) is None
