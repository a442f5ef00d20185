"""A benchmark run as a library call: settings, progress, the machine, and what does not fit together."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reporting.tables import HEADER, rows
from benchmarks.reporting.warnings import warnings
from benchmarks.results.results import ColdStart
from benchmarks.runner import config, session
from benchmarks.runner.cases import REFERENCE_MODEL, REFERENCE_SHA256, our_cases
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run, total_steps
from benchmarks.scenarios.startup import Started
from benchmarks.stats.intervals import median_interval, median_ns
from benchmarks.system import info
from benchmarks.system.info import default_board_name, this_machine
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.errors import BadArgument, DigitsError, InputError, ModelFileError
from edge_runtime.inference.interpreter import BACKENDS, backend_version
from edge_runtime.model.model_file import MODELS, read_model_file
from tests.benchmarks.planting import NS, planting
from train.data import Dataset

_ROUGH = "the clock's step of 1,000 ns is too coarse for single calls, so p90 and p99 are rough"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One cold start and no looking around: those have tests of their own."""
    monkeypatch.setattr(config, "_COLD_STARTS", 1)
    monkeypatch.setattr(session, "_LOOK_S", 0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 0}, "samples is 0, expected 1 to 1,000,000"),
        ({"samples": 1_000_001}, "samples is 1000001, expected 1 to 1,000,000"),
        ({"starts": 0}, "starts is 0, expected 1 to 100"),
        ({"starts": 101}, "starts is 101, expected 1 to 100"),
    ],
)
def test_absurd_settings_are_refused(changes: dict[str, int], message: str) -> None:
    """The message says what is accepted."""
    with pytest.raises(BadArgument, match=f"^{message}$"):
        Settings("board", **changes)  # type: ignore[arg-type]


@given(st.integers(1, 10_000), st.integers(1, 100))
def test_processes_share_the_samples_evenly(samples: int, starts: int) -> None:
    """All of them, and every process has some."""
    shares = Settings("board", samples, starts=starts).shares()
    assert sum(shares) == samples
    assert len(shares) == min(samples, starts)
    assert max(shares) - min(shares) <= 1


def test_cold_starts_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every round starts each model once, in an order that changes; a case of another package that fails starts no more."""
    cold, seen = Started(ColdStart(1, 1, 1, 1, None, None), {}), []

    def start(environment: object, spec: BackendSpec, pinned: object) -> Started:
        seen.append(Path(spec.model).stem)
        if "base" in spec.model:
            raise DigitsError("it died")
        return cold

    monkeypatch.setattr(session, "cold_start", start)
    models = [MODELS / f"{name}-int8.tflite" for name in ("nano", "small", "base")]
    *ours, other = our_cases(models, BACKENDS["litert"], 1)
    other, steps = replace(other, way="theirs"), []
    colds, failed = session._all_cold_starts([*ours, other], Settings("board"), steps.append)
    assert (colds, failed) == ({case: [cold] * 5 for case in ours}, ["theirs: it died"])
    assert (len(steps), seen.count("base-int8")) == (15, 1)
    rest = [name for name in seen if name != "base-int8"]
    rounds = [tuple(rest[start : start + 2]) for start in range(0, 10, 2)]
    assert {*rounds} == {("nano-int8", "small-int8"), ("small-int8", "nano-int8")}


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_progress_has_a_step_for_every_part(cnn_files: dict[str, Path]) -> None:
    """A cold start and an accuracy per model, and each round of each process: `total_steps` in all."""
    settings, steps = Settings("board", samples=120, starts=2), []
    run([cnn_files["int8"], cnn_files["fp32"]], settings, None, steps.append)
    assert steps == ["cold start"] * 2 + ["latency"] * 4 + ["accuracy"] * 2
    assert len(steps) == total_steps(2, settings)


@pytest.mark.usefixtures("quick")
def test_every_model_and_the_reference_take_a_turn_in_every_round(cnn_files: dict[str, Path]) -> None:
    """In every process: fifty single calls, the last round the rest; the order is not always the same."""
    result = run([cnn_files["int8"], cnn_files["fp32"]], Settings("board", samples=300, starts=3), None)
    for model in (result.reference, *result.models):
        single = [turn for turn in model.turns if turn.group == 1]
        assert [(turn.process, turn.round, len(turn.samples_ns)) for turn in single] == [
            (process, number, 50) for process in range(3) for number in range(2)
        ]
        assert [start.process for start in model.starts] == [0, 1, 2]
        assert all(start.warmup_calls >= 32 for start in model.starts)
        assert all(turn.dropped >= 8 for turn in model.turns)
    processes = ["process 1", "process 2", "process 3"]
    assert [found.when for found in result.conditions] == ["before", "cold starts", *processes, "after"]
    assert len(result.clock_step_ns) == 3
    assert result.reference.sha256 == read_model_file(REFERENCE_MODEL).sha256 == REFERENCE_SHA256


@pytest.mark.usefixtures("quick")
def test_batches_and_threads_are_swept_beside() -> None:
    """In turns of their own; the reference is not swept. Eight images take eight times as long as one, and one reading of the clock."""
    settings = Settings("board", samples=20, starts=2, batches=(1, 8), thread_counts=(1, 2))
    with planting(NS):
        result = run([MODELS / "small-int8.tflite"], settings, None)
    (model,) = result.models
    assert [(sweep.threads, sweep.batch) for sweep in model.sweeps] == [(1, 8), (2, 1)]
    assert all({turn.process for turn in sweep.turns} == {0, 1} for sweep in model.sweeps)
    assert result.reference.sweeps == ()
    eight, two_threads = (median_ns(sweep.turns) for sweep in model.sweeps)
    assert (eight, two_threads) == (pytest.approx(8 * 40_000 + 40, abs=1), pytest.approx(40_000 + 40, abs=1))


@pytest.mark.usefixtures("quick")
def test_few_samples_have_a_median() -> None:
    """With a warning that it is uncertain, and without an interval."""
    with planting(NS):
        result = run([MODELS / "small-int8.tflite"], Settings("board", samples=3), None)
    (model,) = result.models
    assert median_ns(model.median_turns) == pytest.approx(40_000 + 40, abs=1)
    assert median_interval(model.median_turns) is None
    (row,) = rows(result)
    assert (row[HEADER.index("p50")], row[HEADER.index("95 % interval")]) == ("40.0 us", "-")
    assert "small int8: the median of 3 samples is uncertain and has no interval, which needs 20" in warnings(result)
    assert not [text for text in warnings(result) if "clock" in text]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("clock", "step", "cost", "group"), [("1,300", 1, 300, 3), ("1000,50", 1_000, 50, 25), ("1,40", 1, 40, 3)])
def test_groups_are_of_the_clocks_step(clock: str, step: int, cost: int, group: int) -> None:
    """Not of the cost of a reading: 20 us of calls of 8 us on a fine clock, 200 steps on a coarse one."""
    with planting(dict.fromkeys(NS, 8_000), f"invented={clock}"):
        result = run([MODELS / "small-int8.tflite"], Settings("board", samples=20, starts=2), None)
    assert (set(result.clock_step_ns), result.clock_cost_ns) == ({step}, (pytest.approx(cost, abs=1),) * 2)
    assert {turn.group for turn in result.models[0].turns} == {1, group}
    assert [text for text in warnings(result) if "clock" in text] == ([_ROUGH] if step > 1 else [])


@pytest.mark.usefixtures("quick")
def test_a_plain_tflite_is_measured_too(cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """Its name is that of the file, its recipe is unknown, and nothing states an accuracy."""
    path = tmp_path / "stranger.tflite"
    path.write_bytes(read_model_file(cnn_files["fp32"]).flatbuffer)
    result = run([path], Settings("board", samples=1), None)
    (model,) = result.models
    assert (model.name, model.recipe, model.file_bytes) == ("stranger", "unknown", path.stat().st_size)
    assert (result.split, result.data_sha256, model.accuracy, model.golden) == ("", "", None, None)


def test_the_same_model_twice_is_refused(cnn_files: dict[str, Path]) -> None:
    """Results could not distinguish the two."""
    with pytest.raises(BadArgument, match="the same model and recipe twice"):
        run([cnn_files["int8"]] * 2, Settings("board"), None, lambda _: pytest.fail("something was measured"))


def test_a_processor_that_there_is_not_is_refused(cnn_files: dict[str, Path]) -> None:
    """Before the first cold start; the message lists those that there are."""
    there = " ".join(map(str, sorted(os.sched_getaffinity(0))))
    with pytest.raises(BadArgument, match=f"^--pin 4096: no such processor; available are {there}$"):
        run([cnn_files["int8"]], Settings("board", pinned=(4_096,)), None, lambda _: pytest.fail("something was measured"))


def test_a_model_of_other_classes_than_the_data_is_refused(cnn_files: dict[str, Path], invented: Dataset) -> None:
    """Before anything is measured; the message names both counts."""
    kept, tested = invented.y_train < 9, invented.y_test < 9
    nine = Dataset("nine", invented.x_train[kept], invented.y_train[kept], invented.x_test[tested], invented.y_test[tested])
    with pytest.raises(InputError, match=f"^{cnn_files['int8']}: has 10 classes, but nine has 9$"):
        run([cnn_files["int8"]], Settings("board"), nine, lambda _: pytest.fail("something was measured"))


def test_a_missing_model_is_refused(cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """Before the first one is measured."""
    with pytest.raises(ModelFileError, match=r"gone.*cannot be read"):
        run([cnn_files["int8"], tmp_path / "gone"], Settings("board"), None, lambda _: pytest.fail("something was measured"))


def test_the_facts_of_this_machine_are_its_own() -> None:
    """Cores, memory and versions as the system reports them; a load within its range."""
    found = this_machine("desk", BACKENDS["litert"])
    assert (found.board, found.memory_bytes, found.numpy) == ("desk", psutil.virtual_memory().total, np.__version__)
    assert found.runtime == f"ai-edge-litert {backend_version(BACKENDS['litert'])}"
    assert 1 <= found.cores <= 1_024
    assert 0 <= found.busy_percent <= 100
    assert found.cpu


@pytest.mark.parametrize(("found", "name"), [("Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 4 Model B Rev 1.4"), ("", "riscv64")])
def test_a_board_has_its_own_name_or_its_architectures(monkeypatch: pytest.MonkeyPatch, found: str, name: str) -> None:
    """What the device tree says, where there is one."""
    monkeypatch.setattr(info, "board_name", lambda: found)
    monkeypatch.setattr(info.platform, "machine", lambda: "riscv64")
    assert default_board_name() == name
