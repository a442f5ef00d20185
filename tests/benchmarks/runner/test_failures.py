"""A failure during a run is a line in the results; everything measured before it is kept."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results.results import Window
from benchmarks.runner import cases, config, optional_measurements, session
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run
from benchmarks.scenarios import loadgen
from benchmarks.scenarios.sustained import sustain
from benchmarks.worker.client import OURS, Environment
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.errors import DigitsError
from edge_runtime.model.model_file import MODELS, read_model_file
from train.data import Dataset

NANO = MODELS / "nano-int8.tflite"
BACKEND = """
import os, sys
from benchmarks.backends import LoadedModel
DISTRIBUTIONS = ()
loaded = []
def prepare(options): pass
def load(model, threads, options):
    in_turns = sys.modules["__main__"].__spec__ is not None  # a cold start is no module
    if in_turns and options["dies"] == "loading": os.abort()
    if in_turns and options["dies"] == "together" and loaded: os.abort()
    if in_turns and options["dies"] == "once" and not os.path.exists(options["mark"]):
        open(options["mark"], "w").close()
        os.abort()
    loaded.append(options)
    if in_turns:
        backends = sys.modules["__main__"].Backends
        own = backends._time_calls
        def time_calls(self, model, request):
            if model.one is one:
                turns.append(1)
            return own(self, model, request)
        backends._time_calls = time_calls
    turns = []
    def one(image):
        if in_turns and options["dies"] == "warm-up": os.abort()
        if options["dies"] == "turn" and len(turns) > 3: os.abort()
        return 1
    def many(images):
        if options["dies"] == "many": os.abort()
        if options["dies"] == "odd": return [1]
        return [1] * len(images)
    return LoadedModel(one, many)
"""
Invent = Callable[..., Case]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_COLD_STARTS", 1)
    monkeypatch.setattr(session, "_LOOK_S", 0.01)


@pytest.fixture
def invent(tmp_path: Path) -> Invent:
    """A case that dies at a given point; all of them are in one environment, so in one worker."""
    (tmp_path / "invented.py").write_text(BACKEND)
    environment = Environment("theirs", sys.executable, os.pathsep.join([OURS.path, str(tmp_path)]))

    def make(name: str, dies: str = "") -> Case:
        model = read_model_file(MODELS / f"{name}.tflite")
        return Case(
            "theirs",
            "1",
            model,
            name,
            environment,
            BackendSpec("invented", "", 1, {"dies": dies, "mark": str(tmp_path / "died")}),
        )

    return make


@pytest.fixture
def few(mnist: Dataset) -> Dataset:
    """A data set with forty test images."""
    return Dataset("few", mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:40], mnist.y_test[:40])


@pytest.mark.parametrize(
    "dies", ["turn", *(pytest.param(when, marks=pytest.mark.slow) for when in ("loading", "together", "warm-up"))]
)
def test_an_alternative_that_dies_is_left_out(invent: Invent, dies: str) -> None:
    """While it is loaded, or only together with another, in a turn, in its warm-up: the others are measured to the end."""
    others = [invent("small-int8"), invent("base-int8", dies)]
    result = run([NANO], Settings("board", samples=300, starts=2), None, others=others)
    assert [(model.way, model.name) for model in result.models] == [("Classifier.classify", "nano"), ("theirs", "small")]
    (line,) = result.absent
    assert line.startswith("theirs: base-int8: theirs: the worker process ended")
    for model in result.models:
        assert (len(model.steady_ns), [start.process for start in model.starts]) == (300, [0, 1])
    assert from_json(type(result), to_json(result)) == result


@pytest.mark.slow
def test_what_died_once_is_nobodys_fault(invent: Invent) -> None:
    """A case that loads at the second try is measured, and so are the others in its worker."""
    others = [invent("base-int8", "once"), invent("small-int8")]
    result = run([NANO], Settings("board", samples=50, starts=1), None, others=others)
    assert [(model.name, len(model.steady_ns)) for model in result.models] == [("nano", 50), ("base", 50), ("small", 50)]
    assert result.absent == ()


def test_when_nothing_is_left_that_is_an_error(invent: Invent) -> None:
    """There are no results without a model."""
    with pytest.raises(DigitsError, match=r"^nothing could be measured: theirs: base-int8: "):
        run([], Settings("board", samples=3, starts=1), None, others=[invent("base-int8", "loading")])


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["many", "odd"])
def test_accuracies_that_fail_leave_the_times(invent: Invent, few: Dataset, dies: str) -> None:
    """The process dies, or gives too few answers; the next case in it still has an accuracy."""
    others = [invent("base-int8", dies), invent("small-int8")]
    result = run([NANO], Settings("board", samples=50, starts=1), few, others=others)
    assert [(model.name, model.accuracy is None, len(model.steady_ns)) for model in result.models] == [
        ("nano", False, 50),
        ("base", True, 50),
        ("small", False, 50),
    ]
    (line,) = result.absent
    assert line.startswith("accuracy of base int8 by theirs: ")


@pytest.mark.slow
def test_sustained_work_that_fails_leaves_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The windows up to then, and all turns."""

    def dies(*arguments: Any) -> Iterator[Window]:
        yield next(sustain(*arguments))
        raise DigitsError("too hot")

    monkeypatch.setattr(optional_measurements, "sustain", dies)
    result = run([NANO], Settings("board", samples=3, starts=1, sustained=2), None)
    assert result.absent == ("sustained load of nano int8 by Classifier.classify: too hot",)
    assert (len(result.models[0].sustained), len(result.models[0].steady_ns)) == (1, 3)


def test_operators_that_cannot_be_timed_are_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """After everything else was measured."""

    def fails(*_: object) -> None:
        raise DigitsError("failed to setup XNNPACK")

    monkeypatch.setattr(session, "measure_layers", fails)
    result = run([NANO], Settings("board", samples=3, starts=1, layers=True), None)
    assert result.absent == ("operators of nano int8: failed to setup XNNPACK",)
    assert result.models[0].steady_ns


def test_loadgen_that_cannot_be_imported_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed is not enough."""
    monkeypatch.setattr(loadgen, "installed_release", lambda: "6.0")
    monkeypatch.setattr(loadgen, "MODULE", "no_such_module")
    result = run([NANO], Settings("board", samples=3, starts=1, loadgen=True), None)
    assert result.loadgen is None
    assert result.absent == (
        "MLPerf LoadGen: mlcommons-loadgen is installed but cannot be imported "
        "(ModuleNotFoundError: No module named 'no_such_module')",
    )


@pytest.mark.slow
@pytest.mark.parametrize("act", ["import os; os.abort()", "raise ImportError('of another processor')"])
def test_loadgen_that_takes_our_process_with_it_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: Dataset, act: str
) -> None:
    """Ours is started again, and measured to the end."""
    (tmp_path / "mlperf_loadgen.py").write_text(act)
    monkeypatch.setattr(cases, "OURS", replace(OURS, path=os.pathsep.join([str(tmp_path), OURS.path])))
    monkeypatch.setattr(session, "missing", lambda: None)
    result = run([NANO], Settings("board", samples=300, starts=2, loadgen=True, sustained=1), few)
    (line,) = result.absent
    assert line.startswith("MLPerf LoadGen: edge-digits: the worker process ended")
    (model,) = result.models
    assert len(model.steady_ns) == 300
    assert model.accuracy
    assert model.sustained
    assert result.loadgen is not None
    assert result.loadgen.runs == ()
