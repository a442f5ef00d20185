"""Estimate the remaining time of a grid as a range, from the times of finished cells.

tqdm extrapolates the mean time of a cell. Cells of a grid differ in size and epochs and come in that order: with 0 to 4 layers, 3 widths
and 3 numbers of epochs, after a tenth of the cells, its estimate is a fifth of the true time, and this one 15 to 21 % above it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from train.config.training_config import TrainingConfig
from train.experiments.grid import Setting, setting_of

Measured = Sequence[tuple[TrainingConfig, float]]
Range = tuple[float, float]

_OTHER_KIND = 2.0  # factor for another activation or optimiser
_PIXELS, _CLASSES = 784, 10


def time_left(
    rest: Sequence[TrainingConfig], measured: Measured, workers: int, underway: float = 0.0
) -> tuple[float, float] | None:
    """Minimum and maximum seconds until all cells are finished.

    Args:
        rest: unfinished cells.
        measured: finished cells with their seconds.
        workers: number of workers.
        underway: seconds that workers have already spent on unfinished cells.

    Returns:
        None if no cell is finished. The maximum is Graham's bound for list scheduling (R. L. Graham, 1969).
    """
    if not measured or workers < 1:
        return None
    known = _by_setting(measured)
    count = Counter(map(setting_of, rest))
    ranges = [(_cost(setting, known), cells) for setting, cells in count.items()]
    if not ranges:
        return 0.0, 0.0
    minimum = max(0.0, sum(low * cells for (low, _), cells in ranges) - underway) / workers
    maximum = sum(high * cells for (_, high), cells in ranges) / workers + max(high for (_, high), _ in ranges) * (1 - 1 / workers)
    return minimum, maximum


def _by_setting(measured: Measured) -> dict[Setting, Range]:
    known: dict[Setting, Range] = {}
    for config, seconds in measured:
        low, high = known.get(setting := setting_of(config), (seconds, seconds))
        known[setting] = min(low, seconds), max(high, seconds)
    return known


def _cost(setting: Setting, known: Mapping[Setting, Range]) -> Range:
    """Seconds of a cell: from cells that differ in the seed only, or else the narrowest range from another setting."""
    if setting in known:
        return known[setting]
    return min(
        (_scaled(setting, other, seconds) for other, seconds in known.items()), key=lambda ends: ends[1] / max(ends[0], 1e-9)
    )


def _scaled(setting: Setting, other: Setting, seconds: Range) -> Range:
    """Seconds of a setting from those of another: between proportional to steps and proportional to multiplications."""
    steps = setting.epochs / other.epochs
    multiplications = steps * _multiplications(setting) / _multiplications(other)
    activations = {setting.activation, other.activation} - {""}
    factor = _OTHER_KIND if len(activations) > 1 or setting.optimizer != other.optimizer else 1.0
    return seconds[0] * min(steps, multiplications) / factor, seconds[1] * max(steps, multiplications) * factor


def _multiplications(setting: Setting) -> int:
    sizes = (_PIXELS, *[setting.units] * setting.hidden_layers, _CLASSES)
    return sum(before * after for before, after in pairwise(sizes))
