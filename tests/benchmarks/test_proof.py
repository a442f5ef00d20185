"""The script that proves what docs/benchmarking.md promises: a tiny proof, how it goes on, and what it says."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.results.results import BenchResult
from benchmarks.runner import config, session
from benchmarks.runner.config import Settings
from edge_runtime.common.json_codec import from_json, to_json
from tests.benchmarks.planting import NS, planting
from tests.benchmarks.samples import bench_result
from tools.release.layout import Layout
from tools.studies.benchmarks import measure_models, prove_benchmark
from tools.studies.benchmarks.prove_benchmark import Pair, Proof, Whole, findings, prove
from train.data import Dataset

SETTINGS = Settings("board", samples=60, starts=3)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, mnist: Dataset) -> None:
    few = Dataset("few", mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:40], mnist.y_test[:40])
    monkeypatch.setattr(config, "_COLD_STARTS", 1)
    monkeypatch.setattr(session, "_LOOK_S", 0.01)
    monkeypatch.setattr(prove_benchmark, "load_dataset", lambda: few)


@pytest.mark.slow
def test_a_proof_has_all_its_runs_and_goes_on() -> None:
    """Each run is kept at once, and not run again."""
    kept: list[Proof] = []
    with planting(NS):
        proof = prove(SETTINGS, None, (1, 1, 1), kept.append)
    assert [(len(one.whole), len(one.unchanged), len(one.planted)) for one in kept] == [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)]
    assert proof.default_seconds
    assert proof.disjoint
    assert set(proof.whole[0].medians) == {"nano", "small", "base", "small slower by 3 %"}
    assert proof.whole[0].medians["small slower by 3 %"] == pytest.approx(1.03 * proof.whole[0].medians["small"], rel=0.002)
    (unchanged,), (planted,) = proof.unchanged, proof.planted
    assert (unchanged.ratio, unchanged.alarm) == (pytest.approx(1, abs=0.001), False)
    assert (planted.ratio, planted.alarm) == (pytest.approx(1.05, abs=0.002), True)
    assert from_json(Proof, to_json(proof)) == proof
    assert prove(SETTINGS, proof, (1, 1, 1), lambda _: pytest.fail("it was run again")) == proof


def test_parts_of_an_older_proof_are_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole runs without a close pair of models, and pairs that share runs; planted pairs stay."""
    pair, whole = Pair(1.0, False), Whole(7.0, {"small": 9.0}, {"small": (8.0, 10.0)})
    close = replace(whole, medians={"small": 9.0, "small slower by 3 %": 9.3})
    monkeypatch.setattr(prove_benchmark, "_pair", lambda *_: replace(pair, ratio=1.01))
    monkeypatch.setattr(prove_benchmark, "_whole_run", lambda *_: close)
    found = prove(SETTINGS, Proof("board", "cpu", 5, (whole,) * 2, (pair,) * 2, (pair,), 9.0), (2, 2, 1), lambda _: None)
    assert found == Proof("board", "cpu", 5, (close,) * 2, (replace(pair, ratio=1.01),) * 2, (pair,), 9.0, disjoint=True)


def test_findings_are_counted() -> None:
    """Rankings that contradict each other, alarms, and whether pairs share runs."""
    first = Whole(7.0, {"a": 10.0, "b": 12.0}, {"a": (9.0, 11.0), "b": (11.5, 12.5)})
    turned = Whole(7.0, {"a": 12.0, "b": 10.0}, {"a": (11.5, 12.5), "b": (9.0, 11.0)})
    proof = Proof("board", "cpu", 5, (first, first, turned), (Pair(1.0, False), Pair(1.03, True)), (), 61.4)
    lines = findings(proof)
    assert lines[0] == "three models with all defaults, accuracies on all test images too: 61 s"
    assert lines[2].endswith("models differ: 2 of 3 pairs of runs")
    assert lines[3].startswith(
        "2 pairs of runs, unchanged, each run beside the one before it: 1 alarms; ratios from 1.000 to 1.030"
    )
    assert findings(replace(proof, disjoint=True))[3].startswith("2 pairs of runs, unchanged: 1 alarms")


def test_measured_models_state_the_command_that_was_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With its board and its models, so that it can be typed again."""
    seen: list[str] = []

    def measured(names: list[str], settings: Settings, *_: object) -> BenchResult:
        seen.append(settings.command)
        return bench_result(command=settings.command)

    monkeypatch.setattr(measure_models, "measure_models", measured)
    monkeypatch.setattr(measure_models, "load_dataset", lambda _: None)
    (tmp_path / "benchmarks" / "reference").mkdir(parents=True)
    measure_models.main(["nano", "--board", "Pi 4"], Layout(tmp_path))
    assert seen == ["python -m tools.studies.benchmarks.measure_models nano --board 'Pi 4'"]
    assert (tmp_path / "benchmarks" / "reference" / "models-Pi-4.json").exists()


def test_the_tutorials_files_can_be_written_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For digits bench, which then measures them with others; nothing is measured here."""
    asked: list[tuple[Path, bool]] = []
    monkeypatch.setattr(measure_models, "load_dataset", lambda _: None)
    monkeypatch.setattr(measure_models, "measure_models", lambda *_: pytest.fail("something was measured"))
    monkeypatch.setattr(measure_models, "_tutorial_files", lambda _, place, *, force: asked.append((place, force)) or [place])
    measure_models.main(["--tutorial", str(tmp_path / "new"), "--force"])
    assert asked == [(tmp_path / "new", True)]
    assert (tmp_path / "new").is_dir()
