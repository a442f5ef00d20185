"""Regressions between two runs on one machine that were not interleaved: each by its ratio to the reference model of its own run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.figures import log_ratios
from benchmarks.results import BenchResult, ModelResult
from edge_runtime.errors import InputError

FALSE_ALARMS = 0.05  # at most: the chance that any model of an unchanged run is called slower
LEAST = 0.02  # a slowdown that nobody would act on is none
_LEAST_PROCESSES = 3


@dataclass(frozen=True)
class Difference:
    """A model in both runs.

    ratio: of its time in the new run to that in the old, each over the reference's. interval: 95 % of it, by itself. p: that a model which
    became no slower shows this much or more (Welch's t over the processes, one-sided, Holm's correction for all models). slower, faster:
    what is concluded.
    """

    label: str
    ratio: float
    interval: tuple[float, float]
    p: float
    slower: bool
    faster: bool


@dataclass(frozen=True)
class Diff:
    """All models of both runs, and what only one of them has."""

    differences: tuple[Difference, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def slower(self) -> list[Difference]:
        """The regressions."""
        return [found for found in self.differences if found.slower]


def diff(old: BenchResult, new: BenchResult) -> Diff:
    """Compare two runs, which `check_comparable` has let pass as of one machine.

    A process is the unit, as in `benchmarks.figures`; the family of all models together raises a false alarm in at most 5 % of unchanged
    runs. Sources: B. L. Welch, Biometrika 34 (1947); S. Holm, Scandinavian Journal of Statistics 6 (1979).

    Raises:
        InputError: they have no model in common, or fewer than three processes.
    """
    before, after = ({model.key: model for model in result.models} for result in (old, new))
    common = [key for key in after if key in before]
    if not common:
        raise InputError("the two runs have no model in common")
    tests = [_test(before[key], old.reference, after[key], new.reference) for key in common]
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
            )
            for key, test, slower, faster in zip(common, tests, worse, better, strict=True)
        ),
        tuple(model.label for key, model in before.items() if key not in after),
        tuple(model.label for key, model in after.items() if key not in before),
        tuple(text for key in common for text in _notes(before[key], after[key])),
    )


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
