"""MLPerf LoadGen and our timing: its summaries, its accuracy mode, and runs without it."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.backends import LoadedModel
from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.reporting.warnings import warnings
from benchmarks.results.loadgen import LoadGen, LoadGenRun
from benchmarks.results.results import BenchResult, Turn
from benchmarks.runner import config
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run
from benchmarks.scenarios import loadgen
from benchmarks.scenarios.loadgen import installed_release
from benchmarks.worker import loadgen_sut
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.common.packages import pip_install
from edge_runtime.model.model_file import MODELS
from tests.benchmarks.planting import NS, planting
from tests.benchmarks.samples import bench_result, many_processes, model_result, turns
from train.data import Dataset

ASLEEP_NS = 200_000  # of each image, at least, on every machine: LoadGen's clock cannot be planted
needs_loadgen = pytest.mark.skipif(installed_release() is None, reason="mlcommons-loadgen has wheels for x86-64 alone")


@pytest.fixture(scope="module")
def measured(mnist: Dataset) -> BenchResult:
    few = Dataset("few", mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:300], mnist.y_test[:300])
    patch = pytest.MonkeyPatch()
    patch.setattr(config, "_COLD_STARTS", 1)
    try:
        with planting({**NS, "small-int8.tflite": ASLEEP_NS}, clock=None):
            return run([MODELS / "small-int8.tflite"], Settings("board", samples=400, starts=2, loadgen=True), few)
    finally:
        patch.undo()


@needs_loadgen
def test_loadgen_asks_in_every_process(measured: BenchResult) -> None:
    """SingleStream in each, with as many queries as our calls; runs are valid, and not faster than the planted time."""
    assert measured.loadgen
    runs = measured.loadgen.single_streams("small static_wi8_ai8")
    assert [(found.process, found.valid) for found in runs] == [(0, True), (1, True)]
    for found in runs:
        p50, p90 = (found.figure(f"{percent}.00 percentile latency (ns)") for percent in (50, 90))
        assert p50
        assert p90
        assert ASLEEP_NS <= p50 <= p90 < 1_000 * ASLEEP_NS  # nanoseconds, not another unit
    assert len(measured.loadgen.empty_ns) == 2
    assert min(measured.loadgen.empty_ns) > 0


@needs_loadgen
def test_an_empty_query_asks_nobody() -> None:
    """Any other query asks once."""
    asked: list[int] = []
    model, images = LoadedModel(asked.append, len), np.zeros((5, 28, 28), np.uint8)
    for found, queries in ((None, 0), (model, 30)):
        loadgen_sut.run_loadgen(found, images, "SingleStream", 30, 1e6, accuracy=False)
        assert len(asked) == queries


@pytest.mark.slow
@needs_loadgen
def test_its_accuracy_mode_counts_as_we_do(measured: BenchResult) -> None:
    """Each test image once in each scenario: as many correct answers as without LoadGen."""
    assert measured.loadgen
    accuracies = {found.scenario: found.accuracy for found in measured.loadgen.runs if found.accuracy}
    assert set(accuracies) == {"SingleStream", "MultiStream", "Offline"}
    assert set(accuracies.values()) == {measured.models[0].accuracy}
    timed = [(found.scenario, found.process) for found in measured.loadgen.runs if found.accuracy is None]
    assert timed == [("SingleStream", 0), ("SingleStream", 1), ("MultiStream", 1), ("Offline", 1)]


@needs_loadgen
def test_results_keep_its_summaries(measured: BenchResult) -> None:
    """Unchanged through the results file; and they become tables."""
    again = from_json(BenchResult, to_json(measured))
    assert again == measured
    assert again.loadgen
    assert "Scenario : SingleStream" in again.loadgen.runs[0].summary
    tables = {table.name: table for table in extra_tables(again)}
    (row,) = tables["MLPerf LoadGen, single images"].rows
    assert row[0] == "small int8"
    assert row[-1] == "2 of 2"
    assert all(float(cell.removesuffix(" us").replace(",", "")) >= ASLEEP_NS / 1_000 for cell in (row[1], row[2]))
    (row,) = tables["MLPerf LoadGen, batches and accuracy"].rows
    assert row[3] == "yes"


def test_few_queries_keep_their_row() -> None:
    """With dashes for a p90 of too few calls, and for scenarios that failed."""
    model = many_processes([10_000] * 3)
    few = replace(model, turns=tuple(replace(turn, samples_ns=turn.samples_ns[:5]) for turn in model.turns))
    summary = ("50.00 percentile latency (ns) : 9000", "90.00 percentile latency (ns) : 9000", "Result is : VALID")
    runs = (
        LoadGenRun(few.stored_label, 0, "SingleStream", summary, None),
        LoadGenRun(few.stored_label, 0, "MultiStream", summary, None),
    )
    single, several = extra_tables(bench_result(few, loadgen=LoadGen("6", (900.0,), runs)))
    assert single.rows == [(few.label, "10.0 us", "9.0 us", "1.111", "1.235", *("-",) * 4, "1 of 1")]
    assert several.rows == [(few.label, "-", "-", "no", "-", "-", "-")]


def test_without_loadgen_there_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """And everything else is measured."""
    monkeypatch.setattr(loadgen, "PACKAGE", "no-such-package")
    result = run([MODELS / "nano-int8.tflite"], Settings("board", samples=3, starts=1, loadgen=True), None)
    assert result.loadgen is None
    assert result.absent == (
        f"MLPerf LoadGen: no-such-package is not installed; {pip_install()} no-such-package (it has wheels for x86-64)",
    )
    assert result.models[0].steady_ns


def test_what_loadgen_calls_invalid_is_a_warning() -> None:
    """LoadGen's summary states it for each run."""
    model = model_result()
    valid = LoadGenRun(model.stored_label, 0, "Offline", ("Result is : VALID", "Samples per second: 84441.1"), None)
    assert valid.figure("Samples per second") == 84441.1
    assert valid.figure("nothing") is None
    invalid = replace(valid, summary=("Result is : INVALID",))
    found_warnings = warnings(bench_result(model, loadgen=LoadGen("6", (900.0,), (valid, invalid))))
    assert f"MLPerf LoadGen calls 1 of 2 of its runs invalid, the first of them Offline of {model.label}" in found_warnings
    assert not [text for text in warnings(bench_result(model, loadgen=LoadGen("6", (900.0,), (valid,)))) if "LoadGen" in text]


@pytest.mark.parametrize(("theirs", "ratios"), [(10_500, None), (11_200, ("0.89", "0.97")), (9_500, ("1.05", "1.16"))])
def test_a_median_that_is_not_loadgens_is_a_warning(theirs: int, ratios: tuple[str, str] | None) -> None:
    """By more than a tenth, with LoadGen's overhead or without; both ratios are in the table."""
    model = many_processes([10_000] * 3)
    summary = (f"50.00 percentile latency (ns) : {theirs}", f"90.00 percentile latency (ns) : {theirs}", "Result is : VALID")
    runs = tuple(LoadGenRun(model.stored_label, process, "SingleStream", summary, None) for process in range(3))
    result = bench_result(model, loadgen=LoadGen("6", (900.0,) * 3, runs))
    (row,) = extra_tables(result)[0].rows
    assert row[:5] == (model.label, "10.0 us", f"{theirs / 1_000:.1f} us", f"{1e4 / theirs:.3f}", f"{1e4 / (theirs - 900):.3f}")
    found_warnings = [text for text in warnings(result) if "MLPerf" in text]
    assert len(found_warnings) == (ratios is not None)
    if ratios:
        assert found_warnings == [
            f"{model.label}: our median is {ratios[0]} times MLPerf LoadGen's, and {ratios[1]} times that without its overhead"
        ]


def test_the_median_beside_loadgens_is_that_of_groups() -> None:
    """The tails are of single calls."""
    grouped = replace(many_processes([9_000] * 3), turns=(*many_processes([12_000] * 3).turns, *_groups(3)))
    summary = tuple(f"{percent}.00 percentile latency (ns) : 10000" for percent in (50, 90))
    runs = tuple(LoadGenRun(grouped.stored_label, process, "SingleStream", summary, None) for process in range(3))
    (row,) = extra_tables(bench_result(grouped, loadgen=LoadGen("6", (900.0,), runs)))[0].rows
    assert (row[1], row[5]) == ("10.0 us", "12.0 us")


def _groups(processes: int) -> tuple[Turn, ...]:
    return tuple(turn for process in range(processes) for turn in turns([40_000] * 20, process, group=4))


def test_another_scenario_is_refused() -> None:
    """Results that were edited."""
    with pytest.raises(ValueError, match="scenario 'Server'"):
        LoadGenRun("nano", 0, "Server", (), None)
