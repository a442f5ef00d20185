"""Digits drawn from strokes, in forms that MNIST's American writers hardly use: a 1 with a flag, a crossed 7, an open 4, a 9 with a hook.

Each form is a few curves through points of the unit square, drawn with random shape, slant, width and pen, and normalised to MNIST's form.
Everything follows from numpy's generator with a seed, but for the rounding of sums on another processor.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import SIDE, Batch
from edge_runtime.preprocessing.normalization import centre, fit

Points = NDArray[np.float64]
Dice = np.random.Generator

FREQUENCIES = (0.04, 0.22, 0.06, 0.08, 0.17, 0.06, 0.05, 0.13, 0.06, 0.13)
"""Frequency of each digit: higher where forms differ most between countries."""
GRID = 56
"""Side of the square that strokes are drawn on, before they are reduced to 20 pixels."""
BOX = 40
"""Longer side of a digit in it."""
PEN = (1.4, 4.0)
"""Range of stroke widths, in pixels of 28x28."""
PIECE = 0.1
"""Length of the straight pieces of a stroke, as a fraction of the digit's height."""
WIDTH = (-0.75, 0.15)
"""Range of the logarithm of a digit's width, where 0 is as wide as high."""


@lru_cache(maxsize=2)
def draw_digits(count: int, seed: int = 0) -> tuple[Batch, NDArray[np.uint8]]:
    """Draw digits: uint8 [count, 28, 28] and their labels, uint8 [count]."""
    dice = np.random.default_rng(seed)
    labels = dice.choice(10, count, p=FREQUENCIES).astype(np.uint8)
    images = [draw_digit(int(label), dice) for label in labels]
    return np.stack(images) if images else np.zeros((0, SIDE, SIDE), np.uint8), labels


def draw_digit(label: int, dice: Dice) -> NDArray[np.uint8]:
    """Draw one digit, uint8 [28, 28]."""
    strokes = _distorted(FORMS[label](dice), dice)
    every = np.concatenate(strokes)
    low, high = every.min(axis=0), every.max(axis=0)
    half = dice.uniform(*PEN) * BOX / 20 / 2
    scale = (BOX - 2 * half) / max(high - low)
    placed = [(stroke - (low + high) / 2) * scale + (GRID - 1) / 2 for stroke in strokes]
    return centre(fit(ink_of(placed, half)))


def _distorted(strokes: list[Points], dice: Dice) -> list[Points]:
    """Stretch, slant, turn and bend strokes about their middle."""
    width, slant, angle = np.exp(dice.uniform(*WIDTH)), dice.uniform(-0.35, 0.25), dice.uniform(-0.18, 0.18)
    bends, phase = dice.normal(0, 0.018, (3, 2)), dice.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    found = []
    for stroke in strokes:
        points = _refined(stroke) - 0.5
        for number, bend in enumerate(bends, 1):
            points = points + bend * np.sin(3 * number * points[:, ::-1] + phase)
        slanted = np.stack([points[:, 0] * width - slant * points[:, 1], points[:, 1]], axis=1)
        found.append(slanted @ turn)
    return found


def ink_of(strokes: list[Points], half: float, shape: tuple[int, int] = (GRID, GRID)) -> NDArray[np.float32]:
    """The ink of strokes through points (x, y) in pixels, of that half width: float32 `shape`, 0 to 1, with soft edges."""
    down, across = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    ink = np.zeros(shape, np.float32)
    for stroke in strokes:
        nearest = np.full(shape, np.inf, np.float32)
        for start, end in pairwise(stroke):
            dx, dy = end - start
            x, y = across - np.float32(start[0]), down - np.float32(start[1])
            along = ((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-9)).clip(0, 1).astype(np.float32)
            nearest = np.minimum(nearest, (x - along * np.float32(dx)) ** 2 + (y - along * np.float32(dy)) ** 2)
        ink = np.maximum(ink, ((half + 0.8 - np.sqrt(nearest)) / 1.6).clip(0, 1))
    return ink


def _refined(points: Points) -> Points:
    """The same line in short pieces, so that bends reach it everywhere."""
    pieces = []
    for start, end in pairwise(points):
        count = max(1, int(np.hypot(*(end - start)) / PIECE))
        pieces.append(np.linspace(start, end, count, endpoint=False))
    return np.concatenate([*pieces, points[-1:]])


def _line(*points: tuple[float, float]) -> Points:
    """Straight pieces through points (x, y), x to the right and y down, 0 to 1."""
    return np.array(points, np.float64)


def _curve(*points: tuple[float, float], steps: int = 4) -> Points:
    """A smooth curve through points: a Catmull-Rom spline (E. Catmull, R. Rom, "A class of local interpolating splines", 1974)."""
    inner = np.array(points, np.float64)
    every = np.concatenate([[2 * inner[0] - inner[1]], inner, [2 * inner[-1] - inner[-2]]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, np.newaxis]
    pieces = []
    for a, b, c, d in zip(every, every[1:], every[2:], every[3:], strict=False):
        pieces.append((2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3) / 2)
    return np.concatenate([*pieces, inner[-1:]])


def _loop(x: float, y: float, rx: float, ry: float, start: float, turns: float) -> Points:
    """An ellipse from the angle `start`, in radians; more or less than one turn leaves it open."""
    angles = start + np.linspace(0, 2 * np.pi * turns, 20)
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def _zero(dice: Dice) -> list[Points]:
    rx = dice.uniform(0.3, 0.5)
    strokes = [_loop(0.5, 0.5, rx, 0.5, dice.uniform(-2.2, -1), dice.uniform(0.95, 1.08))]
    if dice.random() < 0.25:  # crossed
        rise, run = dice.uniform(0.2, 0.5, 2), rx * dice.uniform(0.5, 1.1, 2)
        strokes.append(_line((0.5 - run[0], 0.5 + rise[0]), (0.5 + run[1], 0.5 - rise[1])))
    elif dice.random() < 0.2:  # with a curl to the right at the top
        strokes.append(_curve((0.5, dice.uniform(0, 0.1)), (0.8, dice.uniform(0.1, 0.25)), (1.1, dice.uniform(0, 0.2))))
    return strokes


def _one(dice: Dice) -> list[Points]:
    top, foot, flag = dice.uniform(0.45, 0.75), dice.uniform(-0.15, 0.1), dice.uniform(0.15, 0.7)
    back = flag * dice.uniform(0.4, 1.4)
    start, apex = (top - back, flag), (top, 0.0)
    bent = (top - back * 0.45 + dice.uniform(-0.05, 0.1) * flag, flag * (0.5 + dice.uniform(-0.04, 0.24)))
    stem = _curve(apex, (top + foot / 2 + dice.uniform(-0.04, 0.04), 0.5), (top + foot, 1))
    strokes = [_curve(start, bent, apex) if dice.random() < 0.5 else _line(start, apex), stem]
    form = dice.random()
    if form < 0.12:  # with a foot
        strokes.append(_line((top + foot - dice.uniform(0.15, 0.4), 1), (top + foot + dice.uniform(0.15, 0.4), 1)))
    elif form < 0.2:  # like a lambda: the flag begins at the foot
        strokes[0] = _curve((top - dice.uniform(0.4, 0.9), dice.uniform(0.8, 1)), (top - 0.2, 0.65), (top, dice.uniform(0.25, 0.5)))
    return strokes


def _two(dice: Dice) -> list[Points]:
    bowl = _curve(
        (dice.uniform(0, 0.15), dice.uniform(0.15, 0.35)),
        (0.45, 0),
        (dice.uniform(0.8, 1), 0.25),
        (dice.uniform(0.5, 0.7), 0.55),
        (dice.uniform(0, 0.1), 1),
    )
    return [bowl, _curve((0, 1), (0.5, dice.uniform(0.9, 1)), (1, dice.uniform(0.92, 1.02)))]


def _three(dice: Dice) -> list[Points]:
    start = dice.uniform(0, 0.15)
    if dice.random() < 0.4:  # with a flat top
        belly = _curve((0.45, 0.42), (0.95, 0.6), (0.8, 0.93), (0.4, 1), (0, dice.uniform(0.82, 0.95)))
        return [_line((start, 0), (1, 0), (dice.uniform(0.35, 0.55), 0.42)), belly]
    upper = _curve((start, dice.uniform(0.05, 0.25)), (0.5, 0), (0.9, 0.2), (0.45, 0.47))
    return [upper, _curve((0.45, 0.47), (1, 0.7), (0.55, 1), (0, dice.uniform(0.8, 0.95)))]


def _four(dice: Dice) -> list[Points]:
    bar, top = dice.uniform(0.45, 0.7), dice.uniform(0.5, 0.9)
    form = dice.integers(3)
    if form == 0:  # like lightning: one stroke, the stem goes down from the end of the bar
        end = (dice.uniform(0.85, 1), bar + dice.uniform(-0.12, 0.05))
        down = [_curve((top, 0), (top * 0.55, bar * 0.5), (dice.uniform(0, 0.1), bar)), _line((top, 0), (0, bar))]
        stem = _curve((end[0], end[1] - dice.uniform(0, 0.2)), (end[0] - dice.uniform(0, 0.15), 0.8), (dice.uniform(0.45, 0.9), 1))
        return [down[dice.integers(2)], _line((0, bar), end), stem]
    stem = _line((top, dice.uniform(0, 0.4)), (top + dice.uniform(-0.15, 0.08), 1))
    if form == 1:  # open at the top
        left = dice.uniform(0.05, 0.4)
        return [
            _curve((left + 0.05, 0), (0, bar * 0.9), (0.05, bar)),
            _line((0.02, bar), (1, bar + dice.uniform(-0.08, 0.08))),
            stem,
        ]
    return [_line((top, 0), (0, bar)), _line((0, bar), (1, bar + dice.uniform(-0.05, 0.05))), stem]


def _five(dice: Dice) -> list[Points]:
    left = dice.uniform(0.1, 0.3)
    roof = _line((left, 0), (dice.uniform(0.8, 1.1), dice.uniform(-0.05, 0.05)))
    back = _line((left, 0), (left - dice.uniform(0, 0.1), dice.uniform(0.38, 0.5)))
    return [roof, back, _curve((left - 0.05, 0.45), (0.6, 0.38), (1, 0.68), (0.6, 1), (0, dice.uniform(0.85, 1)))]


def _six(dice: Dice) -> list[Points]:
    middle = dice.uniform(0.66, 0.76)
    loop = _loop(0.5, middle, dice.uniform(0.3, 0.45), 1 - middle, np.pi, -dice.uniform(0.9, 1.05))
    first = (float(loop[0, 0]), float(loop[0, 1]))
    return [_curve((dice.uniform(0.45, 0.9), dice.uniform(0, 0.05)), (dice.uniform(0.2, 0.4), 0.25), first), loop]


def _seven(dice: Dice) -> list[Points]:
    foot, corner = dice.uniform(0.1, 0.5), dice.uniform(0, 0.12)
    roof = _curve((0, corner), (0.5, dice.uniform(-0.02, 0.08)), (1, 0)) if dice.random() < 0.6 else _line((0, corner), (1, 0))
    strokes = [roof, _curve((1, 0), (foot + (1 - foot) * 0.5 + dice.uniform(-0.1, 0.05), 0.45), (foot, 1))]
    if dice.random() < 0.35:  # a serif
        strokes.append(_line((0, corner + dice.uniform(0.1, 0.25)), (0, corner)))
    if dice.random() < 0.75:  # crossed
        height = dice.uniform(0.38, 0.62)
        middle, reach, rise = foot + (1 - foot) * (1 - height) * 0.95, dice.uniform(0.2, 0.5), dice.uniform(-0.1, 0.06)
        strokes.append(_line((middle - reach, height - rise), (middle + reach * dice.uniform(0.7, 1.1), height + rise)))
    return strokes


def _eight(dice: Dice) -> list[Points]:
    waist = dice.uniform(0.42, 0.52)
    upper = _loop(0.5, waist / 2, dice.uniform(0.2, 0.4), waist / 2, dice.uniform(-2, -1), dice.uniform(0.85, 1.02))
    return [upper, _loop(0.5, (1 + waist) / 2, dice.uniform(0.3, 0.45), (1 - waist) / 2, -np.pi / 2, 1)]


def _nine(dice: Dice) -> list[Points]:
    ry, rx, x = dice.uniform(0.15, 0.32), dice.uniform(0.2, 0.42), dice.uniform(0.4, 0.6)
    form = dice.integers(4)
    if form == 3:  # like a rho: the stem leaves the loop on the left
        loop = _loop(x, ry, rx, ry, np.pi * dice.uniform(0.5, 1), dice.uniform(0.9, 1.1))
        last = (float(loop[-1, 0]), float(loop[-1, 1]))
        return [loop, _curve(last, (x + rx * dice.uniform(-0.2, 0.6), 0.6), (x + rx * dice.uniform(-0.4, 0.8), 1))]
    loop = _loop(x, ry, rx, ry, dice.uniform(-0.9, 0.3), -dice.uniform(0.8, 1.05))
    last = (float(loop[-1, 0]), float(loop[-1, 1]))
    if form == 0:  # a straight stem
        return [loop, _curve(last, (x + rx * dice.uniform(0.6, 1), 0.6), (x + rx * dice.uniform(-0.2, 0.9), 1))]
    # a hook, small or as wide as that of a g
    bowl = dice.uniform(0.6, 1.0) if form == 1 else dice.uniform(0.9, 1.5)
    waist = (x + rx * dice.uniform(0.5, 1), 2 * ry + dice.uniform(-0.05, 0.1))
    right, bottom = (x + bowl * rx, dice.uniform(0.68, 0.82)), (x - bowl * rx * dice.uniform(0, 0.4), 1.0)
    return [loop, _curve(last, waist, right, bottom, (x - bowl * rx * dice.uniform(0.9, 1.4), dice.uniform(0.82, 0.97)))]


FORMS: tuple[Callable[[Dice], list[Points]], ...] = (_zero, _one, _two, _three, _four, _five, _six, _seven, _eight, _nine)
"""What draws the strokes of each digit."""
