"""Regressions between two runs on one machine, which were not interleaved: models are compared by their ratio to the reference model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median

import numpy as np

from benchmarks.results.results import OURS, BenchResult, ModelResult
from benchmarks.stats.intervals import log_ratios, per_call
from benchmarks.stats.student import welch
from edge_runtime.errors import InputError

FALSE_ALARMS = 0.05  # maximum chance that any model of an unchanged run is called slower
MAX_REFERENCE_CHANGE = 0.05  # a larger change of the reference model is reported
MIN_SLOWDOWN = 0.02  # a smaller slowdown does not matter
_MIN_PROCESSES = 3


@dataclass(frozen=True)
class Times:
    """The median nanoseconds of a call in both runs. For information: the machine may have changed between them."""

    old: float
    new: float

    @property
    def ratio(self) -> float:
        """New over old."""
        return self.new / self.old


@dataclass(frozen=True)
class Difference:
    """A model in both runs.

    ratio: its new time over its old one, each divided by the reference's. interval: 95 %, uncorrected. p: of this ratio or more if the
    model became no slower (Welch's t over the processes, one-sided, Holm's correction for all models). slower, faster: the conclusion.
    times: not divided by the reference's.
    """

    label: str
    ratio: float
    interval: tuple[float, float]
    p: float
    slower: bool
    faster: bool
    times: Times


@dataclass(frozen=True)
class Diff:
    """The models of both runs, and those of one run only.

    itself: models that are the reference's file, and cannot be compared with it. reference: its times in both runs.
    """

    differences: tuple[Difference, ...]
    itself: tuple[tuple[str, Times], ...]
    reference: tuple[str, Times]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def slower(self) -> list[Difference]:
        """The regressions."""
        return [found for found in self.differences if found.slower]


def diff(old: BenchResult, new: BenchResult) -> Diff:
    """Compare two runs that `check_comparable` accepts as of one machine.

    A process is the unit, as in `stats.intervals`. All models together raise a false alarm in at most 5 % of
    unchanged runs. Sources: B. L. Welch, Biometrika 34 (1947); S. Holm, Scandinavian Journal of Statistics 6 (1979).

    Raises:
        InputError: the runs have no model in common, or fewer than three processes.
    """
    before, after = ({model.key: model for model in result.models} for result in (old, new))
    common = [key for key in after if key in before]
    if not common:
        raise InputError("the two runs have no model in common")
    itself = [key for key in common if _is_reference(before[key], old) and _is_reference(after[key], new)]
    compared = [key for key in common if key not in itself]
    tests = [_test(before[key], old.reference, after[key], new.reference) for key in compared]
    worse = _holm([test.worse_p for test in tests])
    better = _holm([test.better_p for test in tests])
    return Diff(
        tuple(
            Difference(
                after[key].label,
                test.ratio,
                test.interval,
                slower,
                slower <= FALSE_ALARMS and test.ratio > 1 + MIN_SLOWDOWN,
                faster <= FALSE_ALARMS and test.ratio < 1 / (1 + MIN_SLOWDOWN),
                _times(before[key], after[key]),
            )
            for key, test, slower, faster in zip(compared, tests, worse, better, strict=True)
        ),
        tuple((after[key].label, _times(before[key], after[key])) for key in itself),
        (new.reference.label, _times(old.reference, new.reference)),
        tuple(model.label for key, model in before.items() if key not in after),
        tuple(model.label for key, model in after.items() if key not in before),
        (*_of_reference(old, new), *(text for key in common for text in _notes(before[key], after[key]))),
    )


def _is_reference(model: ModelResult, result: BenchResult) -> bool:
    return model.way == OURS and model.sha256 == result.reference.sha256


def _times(old: ModelResult, new: ModelResult) -> Times:
    before, after = (float(np.median(per_call(model.median_turns))) for model in (old, new))
    return Times(before, after)


def _of_reference(old: BenchResult, new: BenchResult) -> Iterator[str]:
    """Whether the reference changed, and whether numpy, which is not our code, changed likewise."""
    change = _times(old.reference, new.reference).ratio
    if max(change, 1 / change) <= 1 + MAX_REFERENCE_CHANGE:
        return
    text = f"the reference model took {change:.2f} times as long; models that changed as much are not reported"
    if old.limits is None or new.limits is None:
        yield f"{text}; whether the machine changed is unknown"
        return
    product = median(old.limits.multiply_adds) / median(new.limits.multiply_adds)
    same = abs(math.log(product / change)) <= math.log(1 + MAX_REFERENCE_CHANGE)
    cause = "so the machine changed" if same else "so not only the machine changed, but our code or its runtime"
    yield f"{text}; numpy's product of matrices took {product:.2f} times as long, {cause}"


@dataclass(frozen=True)
class _Test:
    ratio: float
    interval: tuple[float, float]
    worse_p: float
    better_p: float


def _test(old: ModelResult, old_reference: ModelResult, new: ModelResult, new_reference: ModelResult) -> _Test:
    before, after = log_ratios(old, old_reference), log_ratios(new, new_reference)
    if min(len(before), len(after)) < _MIN_PROCESSES:
        raise InputError(
            f"{new.label}: a comparison needs {_MIN_PROCESSES} processes per run, not {len(before)} and {len(after)}; see --starts"
        )
    change = mean(after) - mean(before)
    if not any(_spread(logs) for logs in (before, after)):  # times without variation need no test
        certain = math.exp(change)
        return _Test(certain, (certain, certain), float(change <= 0), float(change >= 0))
    found = welch(after, before)
    low, high = found.interval
    return _Test(math.exp(change), (math.exp(low), math.exp(high)), found.greater, found.less)


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several tests with Holm's correction, which bounds the chance of any false alarm."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _notes(old: ModelResult, new: ModelResult) -> list[str]:
    """Changes of a model's file and accuracy."""
    found = []
    if old.sha256 != new.sha256:
        found.append(f"{new.label}: the file changed ({old.file_bytes:,} bytes before, {new.file_bytes:,} now)")
    if old.accuracy and new.accuracy and old.accuracy.correct != new.accuracy.correct:
        found.append(f"{new.label}: {old.accuracy.correct:,} correct before, {new.accuracy.correct:,} now")
    return found
