"""MLPerf LoadGen scenarios, run in the same worker processes as our own timing."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from benchmarks.results.loadgen import SCENARIOS, LoadGen, LoadGenRun
from benchmarks.worker.client import RunningBackend
from benchmarks.worker.protocol import LoadGenOutput
from edge_runtime.common.intervals import accuracy_of
from edge_runtime.common.packages import pip_install
from train.data import Split

PACKAGE, MODULE = "mlcommons-loadgen", "mlperf_loadgen"
_EMPTY_QUERIES = 1_000


def installed_release() -> str | None:
    """The installed release of mlcommons-loadgen, or None."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def missing() -> str | None:
    """Why LoadGen cannot be used here; None if it can."""
    if installed_release() is None:
        return f"MLPerf LoadGen: {PACKAGE} is not installed; {pip_install()} {PACKAGE} (it has wheels for x86-64)"
    # In a child process: a package that was built for another processor would crash this one.
    child = subprocess.run([sys.executable, "-c", f"import {MODULE}"], capture_output=True, text=True, check=False)
    if child.returncode == 0:
        return None
    words = [line for line in child.stderr.splitlines() if line.strip()]
    return f"MLPerf LoadGen: {PACKAGE} is installed but cannot be imported ({words[-1] if words else child.returncode})"


@dataclass(frozen=True)
class LoadGenModel:
    """A model that LoadGen asks: its label in results, the labels of its classes, and its running backend."""

    label: str
    classes: Sequence[str]
    backend: RunningBackend


class LoadGenScenario:
    """LoadGen's runs in a benchmark: SingleStream in the middle of each process, all others in the last one."""

    def __init__(self, release: str) -> None:
        self._release = release
        self._empty: list[float] = []
        self._runs: list[LoadGenRun] = []

    def result(self) -> LoadGen:
        """All runs so far."""
        return LoadGen(self._release, tuple(self._empty), tuple(self._runs))

    def single_stream(self, models: Sequence[LoadGenModel], process: int, queries: int) -> None:
        """Ask each model for `queries` images, one at a time, after queries without a model, which show LoadGen's own overhead."""
        overhead = models[0].backend.worker.loadgen_overhead(_EMPTY_QUERIES)
        empty = LoadGenRun("", process, "SingleStream", _summary(overhead), None)
        self._empty.append(empty.figure("50.00 percentile latency (ns)") or 0.0)
        for model in models:
            self._performance(model, process, "SingleStream", queries)

    def several(self, models: Sequence[LoadGenModel], process: int) -> None:
        """Time MultiStream and Offline."""
        for model in models:
            for scenario in SCENARIOS[1:]:
                self._performance(model, process, scenario, 1)

    def accuracies(self, models: Sequence[LoadGenModel], process: int, split: Split, images: Path) -> None:
        """Run each scenario in accuracy mode, which asks for every image once."""
        for model in models:
            for scenario in SCENARIOS:
                found = model.backend.loadgen(scenario, 1, images)
                by_index = scenario != "SingleStream"  # a single image is answered with its label
                classes = [int(answer) if by_index else model.classes.index(answer) for answer in found.answers]
                accuracy = accuracy_of(np.asarray(classes), split.labels)
                self._runs.append(LoadGenRun(model.label, process, scenario, _summary(found), accuracy))

    def _performance(self, model: LoadGenModel, process: int, scenario: str, queries: int) -> None:
        found = model.backend.loadgen(scenario, queries)
        self._runs.append(LoadGenRun(model.label, process, scenario, _summary(found), None))


def _summary(found: LoadGenOutput) -> tuple[str, ...]:
    return tuple(" ".join(line.split()) for line in found.summary)  # results allow no tabs
