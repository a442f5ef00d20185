"""Figures from raw samples, against values computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.results.loadgen import LoadGen, LoadGenRun
from benchmarks.results.results import Peaks, Sweep, read_results
from benchmarks.stats.intervals import (
    LoadGenComparison,
    added_ns,
    at_numpys_speed_ns,
    compare_with_loadgen,
    log_ratios,
    median_interval,
    median_ns,
    process_medians,
    ratio,
    spread,
    tail_interval,
    tail_ns,
)
from tests.benchmarks.samples import bench_result, many_processes, model_result, turns
from tests.conftest import ROOT

LIMITS = ROOT / "benchmarks" / "reference" / "limits-x86_64-zen5.json"


def test_models_that_slow_down_together_keep_their_ratio() -> None:
    """Half of the processes took twice as long for both models: the ratio stays certain."""
    found = ratio(many_processes([3_000, 6_000] * 5), many_processes([2_000, 4_000] * 5))
    assert (found.value, found.interval) == (pytest.approx(1.5), pytest.approx((1.5, 1.5)))


def test_the_interval_of_a_ratio_is_students_over_processes() -> None:
    """Of three processes: 4.303 standard errors of the logarithm to either side."""
    found = ratio(many_processes([1_100, 1_000, 900]), many_processes([1_000] * 3))
    logs = np.log([1.1, 1.0, 0.9])
    half = 4.302653 * logs.std(ddof=1) / 3**0.5
    assert found.value == pytest.approx(np.exp(logs.mean()))
    assert found.interval == pytest.approx((np.exp(logs.mean() - half), np.exp(logs.mean() + half)))


def test_the_interval_of_a_median_is_students_over_processes() -> None:
    """Of four processes: 3.182 standard errors of the logarithms of their medians, however many calls each made."""
    logs = np.log([900, 1_000, 1_100, 1_050])
    half = 3.182446 * logs.std(ddof=1) / 2
    expected = (np.exp(logs.mean() - half), np.exp(logs.mean() + half))
    assert median_interval(many_processes([900, 1_000, 1_100, 1_050]).turns) == pytest.approx(expected)


def test_the_interval_of_a_p99_is_woodruffs_over_processes() -> None:
    """Two processes with 5 and 15 of 500 calls above it: 12.706 standard errors of that share to either side, and what lies there."""
    quick, slow = [1_000] * 495 + [9_000] * 5, [1_000] * 485 + [8_000] * 15
    model = model_result(turns=(*turns(quick), *turns(slow, 1)))
    assert tail_ns(model, 99) == 8_000  # above it: 5 calls of the first process, none of the second
    half = 12.7062 * 100 * np.std([0.01, 0.0], ddof=1) / 2**0.5
    expected = np.percentile([*quick, *slow], [99 - half, 100], method="higher")
    assert tail_interval(model, 99) == tuple(expected)
    assert tail_interval(model_result(), 99) is None  # of one process
    assert tail_interval(many_processes([1_000] * 9), 99) is None  # of 900 calls
    assert tail_interval(many_processes([1_000] * 10), 99) == (1_000, 1_000)


def test_the_interval_of_a_p99_contains_it() -> None:
    """In at least nine of ten runs of eight processes that differ in their speed and in how often they are disturbed."""
    generator = np.random.default_rng(0)

    def run(processes: int, calls: int) -> NDArray[np.int64]:
        speeds, disturbed = generator.normal(0, 0.02, (processes, 1)), generator.gamma(4, 0.0025, (processes, 1))
        calm = 100_000 * np.exp(speeds + np.abs(generator.normal(0, 0.05, (processes, calls))))
        long = np.where(generator.random(calm.shape) < disturbed, generator.uniform(1.5, 3, calm.shape), 1)
        return (calm * long).astype(np.int64)

    truth = np.percentile(run(2_000, 500), 99)
    hits = 0
    for _ in range(60):
        found = [turn for process, samples in enumerate(run(8, 500).tolist()) for turn in turns(samples, process)]
        interval = tail_interval(model_result(turns=tuple(found)), 99)
        assert interval is not None
        hits += interval[0] <= truth <= interval[1]
    assert hits >= 54


def test_what_calls_take_longer_has_students_interval_too() -> None:
    """Of three processes: 4.303 standard errors of the differences. One process is too few, different processes are refused."""
    added, interval = added_ns(many_processes([1_000, 5_000, 9_000]).turns, many_processes([1_100, 5_130, 9_100]).turns)
    half = 4.302653 * 300**0.5 / 3**0.5
    assert (added, interval) == (pytest.approx(110), pytest.approx((110 - half, 110 + half)))
    assert added_ns(many_processes([10, 20]).turns, many_processes([13, 23]).turns) == (3, (3, 3))
    with pytest.raises(ValueError, match=r"^not timed in the same processes, two at least$"):
        added_ns(many_processes([10, 20]).turns, many_processes([10, 20, 30]).turns)
    with pytest.raises(ValueError, match="two at least"):
        added_ns(many_processes([10]).turns, many_processes([20]).turns)


def test_numpys_speed_is_called_no_limit() -> None:
    """On the reference machine an interpreter is faster than numpy."""
    (table,) = (table for table in extra_tables(read_results(LIMITS)) if table.name == "Beside numpy's speed")
    assert min(float(row[-1]) for row in table.rows) < 1
    assert not any(word in f"{table.name} {table.caption} {table.header}" for word in ("limit", "roofline", "peak"))


def test_logarithms_are_of_processes_that_timed_both() -> None:
    """A process that timed only one of them is left out."""
    model, reference = many_processes([2_000, 4_000, 6_000]), many_processes([1_000, 1_000])
    assert log_ratios(model, reference) == pytest.approx(np.log([2, 4]))


def test_the_time_at_numpys_speed_is_the_slower_of_computing_and_copying() -> None:
    """1e6 multiply-adds at 1e11 per second are 10 us; so are 36,104 bytes at 3.6104e9 per second; half the speed takes 20 us."""
    model = model_result(multiply_adds=1_000_000, payload_bytes=36_104)
    assert at_numpys_speed_ns(model, Peaks((1e11, 5e10), (1e12, 1e9))) == pytest.approx(10_000)
    assert at_numpys_speed_ns(model, Peaks((1e11, 1e11), (1.8052e9, 1e9))) == pytest.approx(20_000)
    assert at_numpys_speed_ns(model, None) is at_numpys_speed_ns(replace(model, multiply_adds=None), Peaks((1.0,), (1.0,))) is None


def _beside(percent: int, theirs: int, empty: tuple[float, ...] = (900.0, 100.0, 700.0)) -> LoadGenComparison | None:
    """Of a model whose groups take 10 us a call and whose single calls take 12 us."""
    groups = tuple(turn for process in range(3) for turn in turns([40_000] * 20, process, group=4))
    model = replace(many_processes([9_000] * 3), turns=(*many_processes([12_000] * 3).turns, *groups))
    summary = tuple(f"{percent}.00 percentile latency (ns) : {theirs + percent}" for percent in (50, 90, 99))
    runs = tuple(LoadGenRun(model.stored_label, process, "SingleStream", summary, None) for process in range(3))
    return compare_with_loadgen(bench_result(model, loadgen=LoadGen("6", empty, runs)), model, percent)


def test_loadgens_time_has_its_empty_query_in_it() -> None:
    """The median is of groups, the tail of single calls; LoadGen's overhead is the median over the processes."""
    assert _beside(50, 11_000) == LoadGenComparison(10_000, 11_050, 10_350)
    assert _beside(90, 11_000) == LoadGenComparison(12_000, 11_090, 10_390)
    assert _beside(50, 11_000, empty=()) == LoadGenComparison(10_000, 11_050, 11_050)
    assert _beside(50, 100) == LoadGenComparison(10_000, 150, 1)


def test_without_both_there_is_nothing_beside() -> None:
    """Without LoadGen, with too few of our samples, for a model that LoadGen did not run."""
    model = many_processes([12_000] * 3)
    summary = ("50.00 percentile latency (ns) : 11000", "99.00 percentile latency (ns) : 12000")
    theirs = LoadGen("6", (900.0,), (LoadGenRun(model.stored_label, 0, "SingleStream", summary, None),))
    assert compare_with_loadgen(bench_result(model), model, 50) is None
    assert compare_with_loadgen(bench_result(model, loadgen=theirs), model, 50) is not None
    assert compare_with_loadgen(bench_result(model, loadgen=theirs), model, 99) is None
    other = replace(model, name="other")
    assert compare_with_loadgen(bench_result(other, loadgen=theirs), other, 50) is None


def test_a_median_is_whole_nanoseconds_with_as_many_samples_on_either_side() -> None:
    """Of groups too; of an even number of samples it is the upper one."""
    found = median_ns(turns([4 * number + 3 for number in range(1, 101)], group=4))
    assert (type(found), found) == (int, 51)


def test_one_process_has_no_interval() -> None:
    """However many calls it made: calls of one process are not independent."""
    one = many_processes([5_000])
    assert (ratio(one, one).interval, median_interval(one.turns)) == (None, None)


def test_models_of_different_processes_have_no_ratio() -> None:
    """They were not interleaved."""
    with pytest.raises(ValueError, match=r"^the models were not timed in the same processes$"):
        ratio(many_processes([1_000] * 2), many_processes([1_000] * 3))


def test_groups_count_for_the_median_and_single_calls_for_tails() -> None:
    """A sample of a group is divided by its calls."""
    model = model_result(turns=(*turns([9_000] * 1_000), *turns([20_000] * 100, group=4)))
    assert (median_ns(model.median_turns), tail_ns(model, 99)) == (5_000, 9_000)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8))
def test_the_median_of_a_process_is_its_own(medians: list[int]) -> None:
    """The spread is the largest distance from the median of all."""
    model = many_processes(medians)
    assert process_medians(model.turns) == dict(enumerate(map(float, medians)))
    middle = float(np.median(medians))
    assert spread(process_medians(model.turns)) == pytest.approx(max(abs(median - middle) for median in medians) / middle)


def test_sweeps_have_a_row_each_and_their_baseline() -> None:
    """Single images come first; a median of few samples has no interval."""
    eight = tuple(turn for process, median in enumerate((80_000, 84_000)) for turn in turns([median] * 5, process, batch=8))
    two = tuple(turn for process in range(2) for turn in turns([9_000] * 20, process))
    model = replace(many_processes([10_000] * 2), sweeps=(Sweep(1, 8, eight), Sweep(2, 1, two)))
    table = next(table for table in extra_tables(bench_result(model)) if table.name == "Threads and batches")
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
    """The upper of two middle ones; few samples have no interval, even of several processes."""
    found = [*turns(samples[::2]), *turns(samples[1::2], 1)]
    assert median_ns(found) == median
    assert median_interval(found) is None
