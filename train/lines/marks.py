"""Marks that stand beside digits and are none: points, dashes, `=`, `#`, `$`. Each is strokes in heights of a digit, from its top left."""

from collections.abc import Callable

import numpy as np

from train.data.strokes import Dice, Points

Strokes = list[Points]


def _point(dice: Dice) -> Strokes:
    y = dice.normal(0.94, 0.06)
    return [np.array([(0, y), (abs(dice.normal(0, 0.05)), y + 0.02)])]


def _comma(dice: Dice) -> Strokes:
    return [np.array([(0.1, dice.normal(0.9, 0.05)), (0, dice.normal(1.1, 0.06))])]


def _apostrophe(dice: Dice) -> Strokes:
    return [np.array([(0.08, dice.normal(0, 0.08)), (0, dice.normal(0.15, 0.05))])]


def _dash(dice: Dice) -> Strokes:
    return [np.array([(0, dice.normal(0.55, 0.1)), (dice.uniform(0.2, 1.6), dice.normal(0.55, 0.1))])]


def _equals(dice: Dice) -> Strokes:
    y, gap, length = dice.uniform(0.4, 0.7), dice.uniform(0.15, 0.3), dice.uniform(0.2, 0.8)
    upper = np.array([(0, y), (length, y + dice.normal(0, 0.05))])
    return [upper, upper * (dice.uniform(0.7, 1.1), 1) + np.array([dice.normal(0, 0.05), gap])]


def _colon(dice: Dice) -> Strokes:
    y = dice.uniform(0.4, 0.7)
    upper = np.array([(0.05, y), (0.08, y)])
    return [upper, upper + np.array([dice.normal(0, 0.04), dice.uniform(0.2, 0.4)])]


def _slash(dice: Dice) -> Strokes:
    return [np.array([(dice.uniform(0.2, 0.5), -0.05), (0, 1.1)])]


def _hash(dice: Dice) -> Strokes:
    lines = (((0.24, 0), (0.16, 1)), ((0.56, 0), (0.48, 1)), ((0, 0.35), (0.72, 0.3)), ((0, 0.7), (0.72, 0.65)))
    return [np.array(line) + dice.normal(0, 0.03, (2, 2)) for line in lines]


def _dollar(dice: Dice) -> Strokes:
    down = np.linspace(0, 1, 12)
    curve = np.stack([0.25 - 0.22 * np.sin(2 * np.pi * (1.2 * down - 0.1)), down], axis=1)
    x = dice.normal(0.25, 0.03)
    return [curve, np.array([(x, -0.1), (x - 0.03, 1.1)])]


def _scribble(dice: Dice) -> Strokes:
    corners = np.cumsum(dice.normal(0, 0.2, (int(dice.integers(3, 7)), 2)), axis=0) + np.array([0, 0.5])
    places = np.linspace(0, len(corners) - 1, 24)
    x, y = (np.interp(places, range(len(corners)), side) for side in corners.T)
    return [np.stack([x, y.clip(0, 1)], axis=1)]


MARKS: dict[str, Callable[[Dice], Strokes]] = {
    "point": _point,
    "comma": _comma,
    "apostrophe": _apostrophe,
    "dash": _dash,
    "equals": _equals,
    "colon": _colon,
    "slash": _slash,
    "hash": _hash,
    "dollar": _dollar,
    "scribble": _scribble,
}
"""What draws the strokes of each mark."""
BEFORE = {"hash": 2, "dollar": 2, "equals": 2, "dash": 2, "slash": 1, "scribble": 2, "colon": 1}
BETWEEN = {"point": 6, "comma": 2, "apostrophe": 1, "dash": 1}
AFTER = {"point": 5, "dash": 6, "equals": 4, "colon": 2, "slash": 1, "comma": 1, "scribble": 1}
"""How often each mark stands before, between and after digits, relative to the others."""


def choose_mark(frequencies: dict[str, int], dice: Dice) -> Strokes:
    """Draw the strokes of a mark that is chosen by its frequency."""
    share = np.array(list(frequencies.values())) / sum(frequencies.values())
    return MARKS[str(dice.choice(list(frequencies), p=share))](dice)
