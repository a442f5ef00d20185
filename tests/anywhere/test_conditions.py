"""The conditions of `make test-anywhere`: each is what it says, for all of its tests, and a test that fails under one is found."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.anywhere.__main__ import CONDITIONS, Condition, main
from tests.conftest import ROOT

TELLING = """
import json, os, subprocess, sys, time
from pathlib import Path
from benchmarks.worker.timer import clock_step, clock_cost
from benchmarks.worker.client import OURS

CODE = "from benchmarks.worker.timer import clock_step, clock_cost; step = clock_step(); print(step, clock_cost(step))"

def test_tells():
    words = subprocess.run(OURS.command("timeit")[:1] + ["-c", CODE], env=OURS.variables(), capture_output=True, check=True).stdout.split()
    step = clock_step()
    found = {"own": [step, clock_cost(step)], "child": [int(word) for word in words], "cores": len(os.sched_getaffinity(0))}
    Path(os.environ["TOLD"]).write_text(json.dumps({**found, **{name: os.environ.get(name) for name in NAMES}}))

NAMES = "TF_ENABLE_ONEDNN_OPTS", "OPENBLAS_CORETYPE"
"""


def _told(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What a test says of itself and of a child that is measured, under that condition."""
    (folder / "test_telling.py").write_text(TELLING)
    monkeypatch.setenv("TOLD", str(folder / "told.json"))
    options = tuple(word for word in CONDITIONS[name].options if word not in {"-n", "2"})
    monkeypatch.setitem(CONDITIONS, name, replace(CONDITIONS[name], tests=(str(folder / "test_telling.py"),), options=options))
    assert main([name]) == 0
    return dict(json.loads((folder / "told.json").read_text()))


def test_all_their_tests_are_there() -> None:
    """A file that was renamed would be an error of pytest, and half an hour late."""
    assert [path for found in CONDITIONS.values() for path in found.tests if not (ROOT / path).exists()] == []


FINDING = """
import os
from pathlib import Path

def test_finds():
    found = {path.name for path in Path(os.environ["EDGE_DIGITS_CNN_FILES"]).iterdir() if path.stat().st_size}
    assert found == {"cnn-fp32.tflite", "cnn-int8.tflite"}
"""


def test_a_condition_that_converts_nothing_is_given_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shipped ones, where the fixture looks for them."""
    (tmp_path / "test_finding.py").write_text(FINDING)
    monkeypatch.setitem(CONDITIONS, "finding", Condition((str(tmp_path / "test_finding.py"),), ()))
    assert main(["finding"]) == 0


@pytest.mark.slow
def test_one_core_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the tests; this process keeps its own."""
    before = os.sched_getaffinity(0)
    assert _told("one core", tmp_path, monkeypatch)["cores"] == 1
    assert os.sched_getaffinity(0) == before


@pytest.mark.slow
def test_a_costly_clock_costs_in_tests_and_in_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 ns at least, whatever a reading costs here."""
    found = _told("clock that costs 300 ns", tmp_path, monkeypatch)
    assert min(found["own"][1], found["child"][1]) >= 300


@pytest.mark.slow
def test_a_coarse_clock_is_coarse_in_tests_and_in_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By steps of a microsecond."""
    found = _told("clock with steps of 1 us", tmp_path, monkeypatch)
    assert (found["own"][0], found["child"][0]) == (1_000, 1_000)


@pytest.mark.slow
def test_other_kernels_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variables that TensorFlow and OpenBLAS read."""
    found = _told("other kernels", tmp_path, monkeypatch)
    assert (found["TF_ENABLE_ONEDNN_OPTS"], found["OPENBLAS_CORETYPE"]) == ("0", "Haswell")


@pytest.mark.slow
def test_what_fails_under_one_condition_fails_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    """After the others were tried; each has a line at the end. Busy processes end with their condition."""
    (tmp_path / "test_fails.py").write_text("def test_fails(): assert False\n")
    (tmp_path / "test_passes.py").write_text("def test_passes(): pass\n")
    fails, passes = (Condition((str(tmp_path / f"test_{name}.py"),), (), busy=1) for name in ("fails", "passes"))
    monkeypatch.setitem(CONDITIONS, "fails", fails)
    monkeypatch.setitem(CONDITIONS, "passes", passes)
    assert main(["fails", "passes"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[-2:]] == ["FAILED: fails", "passed: passes"]


def test_a_condition_that_there_is_not_is_wrong_usage() -> None:
    """The message lists those that there are."""
    child = subprocess.run([sys.executable, "-m", "tests.anywhere", "Mars"], capture_output=True, text=True, cwd=ROOT)
    assert child.returncode == 2
    assert "no condition 'Mars'; there are 'one core', " in child.stderr
