"""Invented pictures of what is no digit: scribbles, shapes, textures, and letters of fonts. White ink on black, uint8 [SIDE, SIDE]."""

import math
from collections.abc import Callable

import numpy as np
import PIL.Image
import PIL.ImageDraw
from numpy.typing import NDArray

from tests.photos import draw_text

SIDE = 200
LETTERS = "AEFGHJKMNPRTUVWXYadefhkmnprtwxy&#@?%"
"""Those that nobody would take for a digit; not B, b, C, c, D, g, I, i, j, L, l, O, o, Q, q, S, s, u, v, Z, z."""

Points = list[tuple[float, float]]
Drawing = NDArray[np.uint8]


def invent_scribble(seed: int) -> Drawing:
    """A closed or open curve that winds about at random: three to eight waves down and across, added up."""
    dice = np.random.default_rng([seed, 3])
    time = np.linspace(0, dice.uniform(1.5, 2 * math.pi), 300)
    curve = [_waves(dice, time) for _ in range(2)]
    return _draw_lines([list(zip(*curve, strict=True))], int(dice.integers(4, 16)))


def _waves(dice: np.random.Generator, time: NDArray[np.float64]) -> NDArray[np.float64]:
    orders = np.arange(1, dice.integers(3, 9))
    wave = np.asarray(
        sum(dice.normal() / math.sqrt(order) * np.sin(order * time + dice.uniform(0, 2 * math.pi)) for order in orders)
    )
    return np.asarray(30 + (SIDE - 60) * (wave - wave.min()) / max(float(np.ptp(wave)), 1e-9), np.float64)


def invent_shape(seed: int) -> Drawing:
    """A triangle, square, star, cross, arrow, house, heart, fan of lines or lattice, as an outline or filled, turned a little."""
    dice = np.random.default_rng([seed, 4])
    shapes: tuple[Callable[[], list[Points]], ...] = (
        lambda: [_around([0, 1, 2, 0], 3)],
        lambda: [_around([0, 1, 2, 3, 0], 4)],
        lambda: [_around([0, 2, 4, 1, 3, 0], 5)],
        lambda: [_around([0, 2], 4), _around([1, 3], 4)],
        lambda: [[(-1, 0), (1, 0)], [(0.4, -0.5), (1, 0), (0.4, 0.5)]],
        lambda: [[(-0.7, 1), (-0.7, 0), (0, -1), (0.7, 0), (0.7, 1), (-0.7, 1)]],
        lambda: [[(t * math.sin(math.pi * t), -math.cos(math.pi * t) * abs(t) ** 0.5) for t in np.linspace(-1, 1, 40)]],
        lambda: [[(0, 0), point] for point in _around(list(range(8)), 8)],
        _lattice,
    )
    angle, size = dice.uniform(-0.3, 0.3), dice.uniform(50, 80, 2)
    lines = [
        [
            (
                SIDE / 2 + size[0] * (x * math.cos(angle) - y * math.sin(angle)),
                SIDE / 2 + size[1] * (x * math.sin(angle) + y * math.cos(angle)),
            )
            for x, y in line
        ]
        for line in shapes[seed % len(shapes)]()
    ]
    return _draw_lines(lines, int(dice.integers(4, 16)), filled=dice.uniform() < 0.3)


def _lattice() -> list[Points]:
    places = (-0.6, 0.0, 0.6)
    return [[(place, -1.0), (place, 1.0)] for place in places] + [[(-1.0, place), (1.0, place)] for place in places]


def _around(order: list[int], corners: int) -> Points:
    """Corners of a regular polygon, in some order."""
    return [(math.sin(2 * math.pi * number / corners), -math.cos(2 * math.pi * number / corners)) for number in order]


def _draw_lines(lines: list[Points], width: int, *, filled: bool = False) -> Drawing:
    canvas = PIL.Image.new("L", (SIDE, SIDE))
    pen = PIL.ImageDraw.Draw(canvas)
    for line in lines:
        if filled and len(line) > 2:
            pen.polygon(line, fill=255)
        pen.line(line, fill=255, width=width, joint="curve")
    return np.asarray(canvas)


def invent_texture(seed: int) -> Drawing:
    """A patch of noise, stripes, a chequerboard or blots, with a random outline."""
    dice = np.random.default_rng([seed, 5])
    cell = int(dice.integers(6, 30))
    y, x = np.mgrid[:SIDE, :SIDE]
    noise = np.kron(dice.integers(0, 256, (SIDE // cell + 1,) * 2), np.ones((cell, cell), int))[:SIDE, :SIDE]
    angle = dice.uniform(0, math.pi)
    textures = (
        noise,
        255 * ((x * math.cos(angle) + y * math.sin(angle)) // cell % 2),
        255 * ((x // cell + y // cell) % 2),
        255 * (noise > 150),
    )
    patch = np.hypot((x - SIDE / 2) / dice.uniform(40, 90), (y - SIDE / 2) / dice.uniform(40, 90)) < 1
    return np.asarray(textures[seed % len(textures)] * patch, np.uint8)


def letters_of(font: str) -> list[Drawing]:
    """The letters of a font that look like no digit."""
    return [np.pad(draw_text(letter, font, 120), 40) for letter in LETTERS]
