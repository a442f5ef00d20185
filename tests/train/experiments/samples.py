"""Made-up results of trainings, for tests of findings."""

from collections.abc import Callable
from itertools import pairwise

from edge_runtime.common.intervals import Accuracy, wilson_interval
from train.config.training_config import TrainingConfig
from train.experiments.grid import Grid, key_of
from train.experiments.trial import TrialResult
from train.runs.store import Epoch

IMAGES = 5_000
VERSIONS = {"edge-digits": "0.1.0", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"}


def invent_result(
    config: TrainingConfig, percent: float, half_life: float = 1.0, seconds: float = 2.0, worker: str = "a/1"
) -> TrialResult:
    """A training whose accuracy ends at `percent`; the distance to it halves every `half_life` epochs."""
    correct = round(percent / 100 * IMAGES)
    final = correct / IMAGES
    history = [
        Epoch(number, 0.1, 0.9, 0.2, final * (1 - (0 if number == config.epochs else 0.5 ** (number / half_life))))
        for number in range(1, config.epochs + 1)
    ]
    sizes = (784, *config.hidden, 10)
    weights = sum(before * after for before, after in pairwise(sizes))
    return TrialResult(
        config=config,
        parameters=weights + sum(sizes[1:]),
        history=tuple(history),
        validation=Accuracy(correct, IMAGES, wilson_interval(correct, IMAGES)),
        seconds=seconds,
        total_seconds=seconds + 0.5,
        int8_bytes=weights + 4 * sum(sizes[1:]),
        worker=worker,
        versions=VERSIONS,
    )


def invent_results(
    grid: Grid, percent: Callable[[TrainingConfig], float], half_life: Callable[[TrainingConfig], float] = lambda _: 1.0
) -> dict[str, TrialResult]:
    """A result per cell, with some spread over seeds."""
    return {key_of(config): invent_result(config, percent(config) + wobble(config), half_life(config)) for config in grid.cells}


def wobble(config: TrainingConfig) -> float:
    """A small offset, alternating in sign, so that an even number of seeds has the requested mean."""
    return 0.06 * (-1) ** (config.seed + len(config.hidden))
