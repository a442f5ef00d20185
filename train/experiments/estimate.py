"""How long the rest of a grid will take: a range, from cells that were measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from train.config.training_config import TrainingConfig
from train.experiments.grid import Setting, setting_of

Measured = Sequence[tuple[TrainingConfig, float]]
Range = tuple[float, float]

_UNLIKE = 2.0  # how many times as long another activation or optimiser may take
_PIXELS, _CLASSES = 784, 10


def time_left(
    rest: Sequence[TrainingConfig], measured: Measured, workers: int, underway: float = 0.0
) -> tuple[float, float] | None:
    """Least and most seconds until the last of the `rest` is finished.

    Args:
        rest: cells that are not finished.
        measured: finished cells with their seconds.
        workers: how many train at a time.
        underway: seconds that workers have spent on some of the rest already.

    Returns:
        None before anything has been measured. The upper end is that of R. L. Graham (1969) for any order of the work: an even share of all
        of it, and most of the longest cell on top.
    """
    if not measured or workers < 1:
        return None
    known = _by_setting(measured)
    count = Counter(map(setting_of, rest))
    ranges = [(_cost(setting, known), cells) for setting, cells in count.items()]
    if not ranges:
        return 0.0, 0.0
    least = max(0.0, sum(low * cells for (low, _), cells in ranges) - underway) / workers
    most = sum(high * cells for (_, high), cells in ranges) / workers + max(high for (_, high), _ in ranges) * (1 - 1 / workers)
    return least, most


def _by_setting(measured: Measured) -> dict[Setting, Range]:
    known: dict[Setting, Range] = {}
    for config, seconds in measured:
        low, high = known.get(setting := setting_of(config), (seconds, seconds))
        known[setting] = min(low, seconds), max(high, seconds)
    return known


def _cost(setting: Setting, known: Mapping[Setting, Range]) -> Range:
    """Seconds of one cell: those of cells that differ in their seed alone, or else of the setting that says most about it."""
    if setting in known:
        return known[setting]
    return min(
        (_scaled(setting, other, seconds) for other, seconds in known.items()), key=lambda ends: ends[1] / max(ends[0], 1e-9)
    )


def _scaled(setting: Setting, other: Setting, seconds: Range) -> Range:
    """Between a cost for each step, the same for any network, and a cost for each multiplication."""
    steps = setting.epochs / other.epochs
    multiplications = steps * _multiplications(setting) / _multiplications(other)
    activations = {setting.activation, other.activation} - {""}
    factor = _UNLIKE if len(activations) > 1 or setting.optimizer != other.optimizer else 1.0
    return seconds[0] * min(steps, multiplications) / factor, seconds[1] * max(steps, multiplications) * factor


def _multiplications(setting: Setting) -> int:
    sizes = (_PIXELS, *[setting.units] * setting.hidden_layers, _CLASSES)
    return sum(before * after for before, after in pairwise(sizes))
