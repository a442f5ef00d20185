"""Regressions between two runs on one machine that were not interleaved: each by its ratio to the reference model of its own run."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median

import numpy as np

from benchmarks.results.results import OURS, BenchResult, ModelResult
from benchmarks.stats.intervals import log_ratios, per_call
from edge_runtime.errors import InputError

FALSE_ALARMS = 0.05  # at most: the chance that any model of an unchanged run is called slower
MOST_OF_REFERENCE = 0.05  # a change of the reference model itself beyond which it is told
LEAST = 0.02  # a slowdown that nobody would act on is none
_LEAST_PROCESSES = 3


@dataclass(frozen=True)
class Times:
    """The median nanoseconds of a call in the old run and in the new one: two machines, perhaps, so nothing is concluded from them."""

    old: float
    new: float

    @property
    def ratio(self) -> float:
        """How many times as long it took in the new run."""
        return self.new / self.old


@dataclass(frozen=True)
class Difference:
    """A model in both runs.

    ratio: of its time in the new run to that in the old, each over the reference's. interval: 95 % of it, by itself. p: that a model which
    became no slower shows this much or more (Welch's t over the processes, one-sided, Holm's correction for all models). slower, faster:
    what is concluded. times: without the reference.
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
    """All models of both runs, and what only one of them has.

    itself: models that are the reference's own file, which their ratio to it says nothing of. reference: its times in both runs.
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
    """Compare two runs, which `check_comparable` has let pass as of one machine.

    A process is the unit, as in `stats.intervals`; the family of all models together raises a false alarm in at most 5 % of unchanged
    runs. Sources: B. L. Welch, Biometrika 34 (1947); S. Holm, Scandinavian Journal of Statistics 6 (1979).

    Raises:
        InputError: they have no model in common, or fewer than three processes.
    """
    before, after = ({model.key: model for model in result.models} for result in (old, new))
    common = [key for key in after if key in before]
    if not common:
        raise InputError("the two runs have no model in common")
    itself = [key for key in common if _is_reference(before[key], old) and _is_reference(after[key], new)]
    judged = [key for key in common if key not in itself]
    tests = [_test(before[key], old.reference, after[key], new.reference) for key in judged]
    worse = _holm([test.worse_p for test in tests])
    better = _holm([test.better_p for test in tests])
    return Diff(
        tuple(
            Difference(
                after[key].label,
                test.ratio,
                test.interval,
                slower,
                slower <= FALSE_ALARMS and test.ratio > 1 + LEAST,
                faster <= FALSE_ALARMS and test.ratio < 1 / (1 + LEAST),
                _times(before[key], after[key]),
            )
            for key, test, slower, faster in zip(judged, tests, worse, better, strict=True)
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
    """Whether what everything is compared with changed itself, and what numpy says, which is not of ours."""
    change = _times(old.reference, new.reference).ratio
    if max(change, 1 / change) <= 1 + MOST_OF_REFERENCE:
        return
    text = f"the reference model itself took {change:.2f} times as long, and models that changed as it did are not told"
    if old.limits is None or new.limits is None:
        yield f"{text}; nobody looked whether the machine changed"
        return
    product = median(old.limits.multiply_adds) / median(new.limits.multiply_adds)
    same = abs(math.log(product / change)) <= math.log(1 + MOST_OF_REFERENCE)
    cause = "so the machine changed" if same else "so our code or its runtime changed, not the machine alone"
    yield f"{text}; numpy's product of matrices took {product:.2f} times as long, {cause}"


@dataclass(frozen=True)
class _Test:
    ratio: float
    interval: tuple[float, float]
    worse_p: float
    better_p: float


def _test(old: ModelResult, old_reference: ModelResult, new: ModelResult, new_reference: ModelResult) -> _Test:
    before, after = log_ratios(old, old_reference), log_ratios(new, new_reference)
    if min(len(before), len(after)) < _LEAST_PROCESSES:
        raise InputError(
            f"{new.label}: a regression needs {_LEAST_PROCESSES} processes a run; there are {len(before)} and {len(after)}"
        )
    change = mean(after) - mean(before)
    if not any(_spread(logs) for logs in (before, after)):  # times that never vary leave nothing to test
        certain = math.exp(change)
        return _Test(certain, (certain, certain), float(change <= 0), float(change >= 0))
    from scipy.stats import ttest_ind

    found = ttest_ind(after, before, equal_var=False, alternative="greater")
    both = ttest_ind(after, before, equal_var=False).confidence_interval(0.95)
    return _Test(math.exp(change), (math.exp(both.low), math.exp(both.high)), float(found.pvalue), 1 - float(found.pvalue))


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _holm(chances: Sequence[float]) -> list[float]:
    """Chances of several tests, corrected so that the chance of any false alarm stays below what one is compared with."""
    corrected, largest = [0.0] * len(chances), 0.0
    for rank, index in enumerate(sorted(range(len(chances)), key=lambda index: chances[index])):
        largest = max(largest, min(1.0, (len(chances) - rank) * chances[index]))
        corrected[index] = largest
    return corrected


def _notes(old: ModelResult, new: ModelResult) -> list[str]:
    """What else is different of a model, without a test: these are counts, not samples."""
    found = []
    if old.sha256 != new.sha256:
        found.append(f"{new.label}: is another file ({old.file_bytes:,} bytes before, {new.file_bytes:,} now)")
    if old.accuracy and new.accuracy and old.accuracy.correct != new.accuracy.correct:
        found.append(f"{new.label}: {old.accuracy.correct:,} right answers before, {new.accuracy.correct:,} now")
    return found
