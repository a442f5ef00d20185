"""The Pareto front: trials that no other beats in everything."""

from collections.abc import Sequence

from train.search.study import Trial


def pareto_front(trials: Sequence[Trial]) -> list[Trial]:
    """Those than which no other is at least as good in accuracy, bytes and latency and better in one of them; the fewest bytes first."""
    front = [trial for trial in trials if trial.outcome and not any(_dominates(other, trial) for other in trials)]
    return sorted(front, key=lambda trial: (_losses(trial)[1], trial.number))


def _dominates(one: Trial, other: Trial) -> bool:
    if not one.outcome or not other.outcome:
        return False
    mine, theirs = _losses(one), _losses(other)
    return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


def _losses(trial: Trial) -> tuple[float, int, int]:
    assert trial.outcome
    percent, size, latency = trial.outcome.objectives
    return -percent, size, latency
