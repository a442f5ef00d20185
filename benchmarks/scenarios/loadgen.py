"""MLPerf LoadGen beside our own timing: its runs in the same processes, its summaries, and what both say."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from benchmarks.results.loadgen import SCENARIOS, LoadGen, LoadGenRun
from benchmarks.worker.client import Worker
from edge_runtime.common.intervals import accuracy_of
from train.data import Split

PACKAGE, MODULE = "mlcommons-loadgen", "mlperf_loadgen"
_EMPTY_QUERIES = 1_000


def installed_release() -> str | None:
    """The release of mlcommons-loadgen that is installed here."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def missing() -> str | None:
    """The line for results where it was asked for and cannot be used; None where it can."""
    if installed_release() is None:
        return f"MLPerf LoadGen: {PACKAGE} is not installed; pip install {PACKAGE} (it has wheels for x86-64)"
    # In a process of its own: what is built for another processor ends the one that imports it.
    child = subprocess.run([sys.executable, "-c", f"import {MODULE}"], capture_output=True, text=True, check=False)
    if child.returncode == 0:
        return None
    words = [line for line in child.stderr.splitlines() if line.strip()]
    return f"MLPerf LoadGen: {PACKAGE} is installed but cannot be imported ({words[-1] if words else child.returncode})"


@dataclass(frozen=True)
class LoadGenModel:
    """A model in a running child: its label and labels of classes, and which subject of which worker it is."""

    label: str
    classes: Sequence[str]
    worker: Worker
    subject: int


class LoadGenScenario:
    """LoadGen's part in a benchmark: SingleStream in the middle of each process, everything else in the last one."""

    def __init__(self, release: str) -> None:
        self._release = release
        self._empty: list[float] = []
        self._runs: list[LoadGenRun] = []

    def result(self) -> LoadGen:
        """All that ran."""
        return LoadGen(self._release, tuple(self._empty), tuple(self._runs))

    def single_stream(self, models: Sequence[LoadGenModel], process: int, queries: int) -> None:
        """Ask each model for `queries` images, one after the other; and before, nothing at all, which is what LoadGen itself takes."""
        empty = LoadGenRun(
            "", process, "SingleStream", _summary(models[0].worker.loadgen(None, "SingleStream", _EMPTY_QUERIES)), None
        )
        self._empty.append(empty.figure("50.00 percentile latency (ns)") or 0.0)
        for model in models:
            self._performance(model, process, "SingleStream", queries)

    def several(self, models: Sequence[LoadGenModel], process: int) -> None:
        """MultiStream and Offline, timed."""
        for model in models:
            for scenario in SCENARIOS[1:]:
                self._performance(model, process, scenario, 1)

    def accuracies(self, models: Sequence[LoadGenModel], process: int, split: Split, images: Path) -> None:
        """The accuracy mode of each scenario: every image once."""
        for model in models:
            for scenario in SCENARIOS:
                found = model.worker.loadgen(model.subject, scenario, 1, images)
                by_index = scenario != "SingleStream"  # single images are answered by their label
                classes = [int(answer) if by_index else model.classes.index(answer) for answer in found["answers"]]
                accuracy = accuracy_of(np.asarray(classes), split.labels)
                self._runs.append(LoadGenRun(model.label, process, scenario, _summary(found), accuracy))

    def _performance(self, model: LoadGenModel, process: int, scenario: str, queries: int) -> None:
        found = model.worker.loadgen(model.subject, scenario, queries)
        self._runs.append(LoadGenRun(model.label, process, scenario, _summary(found), None))


def _summary(found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(" ".join(line.split()) for line in found["summary"])  # tabs cannot be in a record
