"""Results of MLPerf LoadGen: its runs, their summaries, and the figures in them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.results.records import MAX_NUMBER, in_range
from edge_runtime.common.intervals import Accuracy

SCENARIOS = ("SingleStream", "MultiStream", "Offline")
_FIGURE = re.compile(r"\s*(?P<name>[^:=]+?)\s*:\s*(?P<value>[\d.]+)$")


@dataclass(frozen=True)
class LoadGenRun:
    """One run of LoadGen.

    model: as in `ModelResult.stored_label`. process: number of the benchmark's process. scenario: SingleStream, MultiStream (8 images a
    query) or Offline. summary: lines of LoadGen's summary. accuracy: of its accuracy mode; None in performance mode.
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
            if (match := _FIGURE.match(line)) and _is_figure(match["name"]) and not 0 < _number(match["value"]) <= MAX_NUMBER:
                raise ValueError(f"{line[:60]!r} is no valid figure of LoadGen")

    @property
    def valid(self) -> bool:
        """Whether LoadGen calls the run valid: it had enough queries for its figures."""
        return "Result is : VALID" in self.summary

    def figure(self, name: str) -> float | None:
        """A number of the summary by its name, such as "50.00 percentile latency (ns)"; None if there is none."""
        return self._figures().get(name)

    def _figures(self) -> Mapping[str, float]:
        return {match["name"]: _number(match["value"]) for line in self.summary if (match := _FIGURE.match(line))}


def _is_figure(name: str) -> bool:
    return name.endswith("percentile latency (ns)") or name == "Samples per second"


def _number(text: str) -> float:
    """NaN for text that only looks like a number, such as the release 1.2.3."""
    try:
        return float(text)
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class LoadGen:
    """All runs of LoadGen in a benchmark.

    release: of mlcommons-loadgen. empty_ns: its p50 of queries that are completed at once, by process.
    """

    release: str
    empty_ns: tuple[float, ...]
    runs: tuple[LoadGenRun, ...]

    def __post_init__(self) -> None:
        in_range(**{f"empty_ns[{number}]": taken for number, taken in enumerate(self.empty_ns)})

    def single_streams(self, model: str) -> list[LoadGenRun]:
        """The timed SingleStream runs of a model, named by its stored label."""
        return [run for run in self.runs if run.model == model and run.scenario == "SingleStream" and run.accuracy is None]

    def latency_ns(self, model: str, percent: int) -> float | None:
        """A model's p50 or p90 of one image in nanoseconds: the median over the processes; None if it never ran."""
        found = [run.figure(f"{percent}.00 percentile latency (ns)") for run in self.single_streams(model)]
        known = [value for value in found if value is not None]
        return median(known) if known else None
