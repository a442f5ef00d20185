"""What digits are written on: plain, ruled and squared paper, texture, and the waves of security paper. Darkness from 0 to 1."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from train.data.strokes import Dice

Floats = NDArray[np.float32]

_KINDS = {"plain": 22, "waves": 47, "texture": 12, "dots": 7, "squares": 12}
_RULED = 0.2
"""Frequency of ruled lines, over any ground; those of forms are often as dark as ink, and near the line's edges."""
_BESIDE = 0.05
"""Frequency of an upright line at the left or right edge, such as that of a form's field."""


def draw_ground(shape: tuple[int, int], dice: Dice) -> Floats:
    """Draw the ground of a line: float32 `shape`, 0 = paper, 1 = as dark as can be."""
    down, across = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    kind = str(dice.choice(list(_KINDS), p=np.array(list(_KINDS.values())) / sum(_KINDS.values())))
    ground = np.asarray(_PAPERS[kind](down, across, dice), np.float32)
    if dice.random() < _RULED:
        for _ in range(int(dice.integers(1, 3))):
            edge = (dice.uniform(0, 5), dice.uniform(shape[0] - 6, shape[0]), dice.uniform(0, shape[0]))[dice.integers(3)]
            ground = np.maximum(ground, _rule(down - edge - dice.normal(0, 0.03) * across, dice))
    if dice.random() < _BESIDE:
        side = (dice.uniform(0, 4), dice.uniform(shape[1] - 4, shape[1]))[dice.integers(2)]
        ground = np.maximum(ground, _rule(across - side, dice))
    return ground.astype(np.float32)


def _plain(down: Floats, across: Floats, dice: Dice) -> Floats:
    del across, dice
    return np.zeros_like(down)


def _security(down: Floats, across: Floats, dice: Dice) -> Floats:
    """Families of waves across each other, as on cheques."""
    families = [_waves(down, across, dice) for _ in range(int(dice.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))]
    return np.asarray(np.max(families, axis=0))


def _texture(down: Floats, across: Floats, dice: Dice) -> Floats:
    del across
    noise = gaussian_filter(dice.normal(0, 1, down.shape), dice.uniform(0.5, 3))
    return np.asarray((noise / np.abs(noise).max()).clip(0) * dice.uniform(0.05, 0.35))


def _dots(down: Floats, across: Floats, dice: Dice) -> Floats:
    step = dice.uniform(3, 7)
    return np.asarray((_ripple(across, step) * _ripple(down, step)) ** 2 * dice.uniform(0.1, 0.4))


def _squares(down: Floats, across: Floats, dice: Dice) -> Floats:
    step, strength = dice.uniform(8, 24), dice.uniform(0.1, 0.5)
    distances = [(along + dice.uniform(0, step)) % step - step / 2 for along in (down, across)]
    return np.asarray(np.max([strength * np.exp(-2 * distance**2) for distance in distances], axis=0))


def _waves(down: Floats, across: Floats, dice: Dice) -> Floats:
    """A family of parallel waves."""
    angle = dice.uniform(-0.7, 0.7) if dice.random() < 0.7 else dice.uniform(-1.57, 1.57)
    along, height = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
    for amplitude, shortest, longest in ((4, 12, 90), (2, 8, 40)):
        waves = np.sin(along * 2 * np.pi / dice.uniform(shortest, longest) + dice.uniform(0, 6))
        height = height + dice.uniform(0, amplitude) * waves
    return np.asarray(_ripple(height, dice.uniform(1.8, 7)) ** dice.uniform(1, 6) * dice.uniform(0.05, 0.45), np.float32)


def _ripple(along: NDArray[np.floating], step: float) -> NDArray[np.floating]:
    return np.asarray(0.5 + 0.5 * np.cos(2 * np.pi * along / step))


def _rule(distance: NDArray[np.floating], dice: Dice) -> Floats:
    """A straight line where the distance is 0."""
    return np.asarray(np.exp(-((distance / dice.uniform(0.4, 1.2)) ** 2)) * dice.uniform(0.2, 1), np.float32)


_PAPERS = {"plain": _plain, "waves": _security, "texture": _texture, "dots": _dots, "squares": _squares}
