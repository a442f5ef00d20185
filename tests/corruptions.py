"""The fifteen corruptions of MNIST-C, at the severities of its data set.

N. Mu, J. Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", arXiv 1906.02337. Written anew from the paper and the parameters of
its published generator; the random numbers are others.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge_runtime.common.pixels import SIDE, Image

Floats = NDArray[np.float64]
Dice = np.random.Generator
MIDDLE = (SIDE - 1) / 2


def corrupt(image: Image, kind: str, seed: int) -> Image:
    """Corrupt an image, uint8 [28, 28], by one of `CORRUPTIONS`; the same seed gives the same pixels."""
    found = CORRUPTIONS[kind](image / 255, np.random.default_rng([seed, 5]))
    return np.asarray((255 * found.clip(0, 1)).round(), np.uint8)


def _shot_noise(image: Floats, dice: Dice) -> Floats:
    return np.asarray(dice.poisson(image * 3) / 3)


def _impulse_noise(image: Floats, dice: Dice) -> Floats:
    changed = dice.random(image.shape) < 0.17
    return np.where(changed, dice.random(image.shape) < 0.5, image)


def _glass_blur(image: Floats, dice: Dice) -> Floats:
    blurred = ndimage.gaussian_filter(image, 0.7)
    for _ in range(2):
        for row in range(SIDE - 1, 1, -1):
            for column in range(SIDE - 1, 1, -1):
                if dice.random() < 0.5:
                    other = row + int(dice.integers(-1, 1)), column + int(dice.integers(-1, 1))
                    blurred[row, column], blurred[other] = blurred[other], blurred[row, column]
    return np.asarray(ndimage.gaussian_filter(blurred, 0.7))


def _motion_blur(image: Floats, dice: Dice) -> Floats:
    angle, steps = np.radians(dice.uniform(-45, 45)), np.arange(21)
    weights = np.exp(-(steps**2) / (2 * 3.0**2))
    moved = [ndimage.shift(image, (step * np.sin(angle), step * np.cos(angle)), order=1) for step in steps]
    return np.asarray(np.tensordot(weights / weights.sum(), moved, axes=1))


def _affine(image: Floats, matrix: Floats) -> Floats:
    """An affine transform about the centre; `matrix` maps output to input, rows first."""
    middle = np.full(2, MIDDLE)
    return np.asarray(ndimage.affine_transform(image, matrix, middle - matrix @ middle, order=1))


def _shear(image: Floats, dice: Dice) -> Floats:
    return _affine(image, np.array([[1, 0], [dice.choice([-0.4, 0.4]), 1]]))


def _scale(image: Floats, _dice: Dice) -> Floats:
    return _affine(image, np.eye(2) / 0.7)


def _rotate(image: Floats, dice: Dice) -> Floats:
    angle = dice.choice([-0.4, 0.4])
    return _affine(image, np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def _brightness(image: Floats, _dice: Dice) -> Floats:
    return image + 0.5


def _translate(image: Floats, dice: Dice) -> Floats:
    return np.asarray(ndimage.shift(image, dice.choice([-3, 3], 2), order=1))


def _stripe(image: Floats, _dice: Dice) -> Floats:
    striped = image.copy()
    for part in (striped[:, :7], striped[:, 21:]):
        part[:] = 1 - part
    return striped


def _fog(image: Floats, dice: Dice) -> Floats:
    largest = image.max()
    return np.asarray((image + 3 * _plasma(dice)) * largest / (largest + 3))


def _plasma(dice: Dice) -> Floats:
    """A height map from 0 to 1 by diamonds and squares, [28, 28] of 256x256, whose roughness falls by 1.4 at each halving."""
    side, wibble = 256, 100.0
    heights, step = np.zeros((side, side)), side
    while step >= 2:
        half = step // 2

        def mean(sums: Floats, around: float = wibble) -> Floats:
            return sums / 4 + around * dice.uniform(-around, around, sums.shape)

        corners = heights[::step, ::step]
        across = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = mean(across + np.roll(across, -1, axis=1))
        centres, corners = heights[half::step, half::step], heights[::step, ::step]
        up = corners + np.roll(corners, -1, axis=1) + centres + np.roll(centres, 1, axis=0)
        left = corners + np.roll(corners, -1, axis=0) + centres + np.roll(centres, 1, axis=1)
        heights[::step, half::step] = mean(up)
        heights[half::step, ::step] = mean(left)
        step, wibble = half, wibble / 1.4
    heights -= heights.min()
    return np.asarray((heights / heights.max())[:SIDE, :SIDE])


def _spatter(image: Floats, dice: Dice) -> Floats:
    liquid = ndimage.gaussian_filter(dice.normal(0.65, 0.3, image.shape), 1)
    mud = ndimage.gaussian_filter((liquid > 0.65).astype(float), 1.5)
    mud[mud < 0.8] = 0
    return np.asarray(image * (1 - mud) + mud * 63 / 255)


def _line(start: tuple[float, float], end: tuple[float, float]) -> Floats:
    """A soft line between two points (column, row) of which the second is on the right."""
    columns, rows = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    if end[0] == start[0]:
        return np.zeros((SIDE, SIDE))
    slope = (end[1] - start[1]) / (end[0] - start[0])
    distance = np.abs(rows - (slope * (columns - start[0]) + start[1])).clip(0, 2.3 - 1e-10)
    drawn = (np.log(1 - distance / 2.3) + 1).clip(0, 1)
    drawn[:, : int(np.floor(start[0]))] = 0
    drawn[:, int(np.ceil(end[0])) :] = 0
    return np.asarray(drawn)


def _dotted_line(image: Floats, dice: Dice) -> Floats:
    first, last = dice.integers(0, 27, 2).tolist()
    dots = _line((0, first), (27, last))
    dots[:, np.arange(SIDE) % 4 < 2] = 0
    return image + dots


def _zigzag(image: Floats, dice: Dice) -> Floats:
    start = float(dice.integers(0, 27))
    rise = float(dice.integers(-5, 5))
    angle = np.arctan2(rise, 23)
    length = 23 / np.cos(angle)
    points = [(0.0, 0.0)] + [((2 * number + 1) * 2.0, (-1) ** number * 2.0) for number in range(int((length - 2) // 4) + 1)]
    points.append((length, 0.0))
    turned = [(2 + x * np.cos(angle) - y * np.sin(angle), start + x * np.sin(angle) + y * np.cos(angle)) for x, y in points]
    for first, last in pairwise(turned):
        image = (image + _line(first, last)).clip(0, 1)
    return image


def _canny_edges(image: Floats, _dice: Dice) -> Floats:
    """J. Canny, "A computational approach to edge detection", IEEE PAMI 8 (1986): sigma 1, thresholds 0.1 and 0.2."""
    smoothed = ndimage.gaussian_filter(image, 1)
    down, across = (ndimage.sobel(smoothed, axis) for axis in (0, 1))
    strength = np.hypot(down, across)
    ridge = np.zeros(image.shape, bool)
    padded = np.pad(strength, 1)
    sector = np.round(np.arctan2(down, across) / (np.pi / 4)).astype(int) % 4
    for number, (row, column) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        before = padded[1 - row : 1 - row + SIDE, 1 - column : 1 - column + SIDE]
        after = padded[1 + row : 1 + row + SIDE, 1 + column : 1 + column + SIDE]
        ridge |= (sector == number) & (strength >= before) & (strength >= after)
    weak, strong = ridge & (strength > 0.1), ridge & (strength > 0.2)
    groups, count = ndimage.label(weak, np.ones((3, 3)))
    kept = np.unique(groups[strong])
    return np.isin(groups, kept[kept > 0]).astype(float) if count else np.zeros(image.shape)


CORRUPTIONS: dict[str, Callable[[Floats, Dice], Floats]] = {
    "shot noise": _shot_noise,
    "impulse noise": _impulse_noise,
    "glass blur": _glass_blur,
    "motion blur": _motion_blur,
    "shear": _shear,
    "scale": _scale,
    "rotate": _rotate,
    "brightness": _brightness,
    "translate": _translate,
    "stripe": _stripe,
    "fog": _fog,
    "spatter": _spatter,
    "dotted line": _dotted_line,
    "zigzag": _zigzag,
    "canny edges": _canny_edges,
}
