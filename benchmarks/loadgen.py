"""MLPerf LoadGen beside our own timing: its runs in the same processes, its summaries, and what both say."""

import math
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.measured import MOST, in_range
from benchmarks.workers import Worker
from edge_runtime.statistics import Accuracy, accuracy_of
from train.data import Split

PACKAGE, MODULE = "mlcommons-loadgen", "mlperf_loadgen"
SCENARIOS = ("SingleStream", "MultiStream", "Offline")
_EMPTY_QUERIES = 1_000
_FIGURE = re.compile(r"\s*(?P<name>[^:=]+?)\s*:\s*(?P<value>[\d.]+)$")


@dataclass(frozen=True)
class LoadGenRun:
    """One run of LoadGen.

    model: as in `ModelResult.label`. process: of the benchmark's. scenario: SingleStream, MultiStream (8 images a query) or Offline.
    summary: lines of its own summary. accuracy: from its accuracy mode; None from its performance mode.
    """

    model: str
    process: int
    scenario: str
    summary: tuple[str, ...]
    accuracy: Accuracy | None

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS or self.process < 0:
            raise ValueError(f"scenario {self.scenario!r} in process {self.process}")
        for line in self.summary:
            if (match := _FIGURE.match(line)) and _is_figure(match["name"]) and not 0 < _number(match["value"]) <= MOST:
                raise ValueError(f"{line[:60]!r} is no figure of LoadGen's")

    @property
    def valid(self) -> bool:
        """Whether LoadGen itself calls the run valid: it had enough queries for what it states."""
        return "Result is : VALID" in self.summary

    def figure(self, name: str) -> float | None:
        """A number of the summary by its own name, such as "50.00 percentile latency (ns)"; None if it is not there."""
        return self._figures().get(name)

    def _figures(self) -> Mapping[str, float]:
        return {match["name"]: _number(match["value"]) for line in self.summary if (match := _FIGURE.match(line))}


def _is_figure(name: str) -> bool:
    return name.endswith("percentile latency (ns)") or name == "Samples per second"


def _number(text: str) -> float:
    """NaN for what only looks like a number, such as the release 1.2.3."""
    try:
        return float(text)
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class LoadGen:
    """All runs of LoadGen in a benchmark.

    release: of mlcommons-loadgen. empty_ns: its p50 of a query that is answered at once, by process.
    """

    release: str
    empty_ns: tuple[float, ...]
    runs: tuple[LoadGenRun, ...]

    def __post_init__(self) -> None:
        in_range(**{f"empty_ns[{number}]": taken for number, taken in enumerate(self.empty_ns)})

    def single_streams(self, model: str) -> list[LoadGenRun]:
        """The timed SingleStream runs of a model."""
        return [run for run in self.runs if run.model == model and run.scenario == "SingleStream" and run.accuracy is None]

    def latency_ns(self, model: str, percent: int) -> float | None:
        """Its p50 or p90 of one image in nanoseconds: the median of what it says in each process; None where it never ran."""
        found = [run.figure(f"{percent}.00 percentile latency (ns)") for run in self.single_streams(model)]
        known = [value for value in found if value is not None]
        return median(known) if known else None


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
class Asked:
    """A model in a running child: its label and labels of classes, and which subject of which worker it is."""

    label: str
    classes: Sequence[str]
    worker: Worker
    subject: int


class LoadGenCourse:
    """LoadGen's part in a benchmark: SingleStream in the middle of each process, everything else in the last one."""

    def __init__(self, release: str) -> None:
        self._release = release
        self._empty: list[float] = []
        self._runs: list[LoadGenRun] = []

    def result(self) -> LoadGen:
        """All that ran."""
        return LoadGen(self._release, tuple(self._empty), tuple(self._runs))

    def single_stream(self, models: Sequence[Asked], process: int, queries: int) -> None:
        """Ask each model for `queries` images, one after the other; and before, nothing at all, which is what LoadGen itself takes."""
        empty = LoadGenRun(
            "", process, "SingleStream", _summary(models[0].worker.loadgen(None, "SingleStream", _EMPTY_QUERIES)), None
        )
        self._empty.append(empty.figure("50.00 percentile latency (ns)") or 0.0)
        for model in models:
            self._performance(model, process, "SingleStream", queries)

    def several(self, models: Sequence[Asked], process: int) -> None:
        """MultiStream and Offline, timed."""
        for model in models:
            for scenario in SCENARIOS[1:]:
                self._performance(model, process, scenario, 1)

    def accuracies(self, models: Sequence[Asked], process: int, split: Split, images: Path) -> None:
        """The accuracy mode of each scenario: every image once."""
        for model in models:
            for scenario in SCENARIOS:
                found = model.worker.loadgen(model.subject, scenario, 1, images)
                by_index = scenario != "SingleStream"  # single images are answered by their label
                classes = [int(answer) if by_index else model.classes.index(answer) for answer in found["answers"]]
                accuracy = accuracy_of(np.asarray(classes), split.labels)
                self._runs.append(LoadGenRun(model.label, process, scenario, _summary(found), accuracy))

    def _performance(self, model: Asked, process: int, scenario: str, queries: int) -> None:
        found = model.worker.loadgen(model.subject, scenario, queries)
        self._runs.append(LoadGenRun(model.label, process, scenario, _summary(found), None))


def _summary(found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(" ".join(line.split()) for line in found["summary"])  # tabs cannot be in a record
