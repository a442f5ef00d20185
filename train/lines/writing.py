"""Invented lines of digits: MNIST's and drawn ones beside each other, with marks that are no digits, on grounds of many kinds.

All digits of a line share a hand: size, slant, width, pen and spacing. Neighbours are moved together until their ink is as near as the
hand has it, so that slanted digits reach over each other, and some touch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter, grey_dilation, grey_erosion

from edge_runtime.common.pixels import Image
from edge_runtime.reading.line_image import HEIGHT, LineImage, stretch_contrast
from train.data import Split
from train.data.strokes import Dice, draw_digits, ink_of
from train.lines.grounds import draw_ground
from train.lines.marks import AFTER, BEFORE, BETWEEN, Strokes, choose_mark

Floats = NDArray[np.float32]

WIDTH = 160
"""Columns of a line image for training."""
LONGEST = 10
"""Maximum number of digits."""
_LENGTHS = np.array([3, 4, 6, 10, 11, 7, 5, 3, 2, 1]) / 52
"""Frequency of each number of digits, from 1."""
_MARGIN = 12
"""Rows above and below the line that ink may reach into before it is cropped."""
_INK = 0.3
"""Minimum ink of a pixel that keeps neighbours apart."""
_OVERLAP = 0.45
"""Maximum overlap of a digit and what is left of it, in heights, where slanted ones reach over each other."""
_BEFORE, _BETWEEN, _AFTER = 0.15, 0.12, 0.3
"""Frequency of marks before the first digit, before each other one, and after the last."""
_DRAWN_HANDS, _DRAWN = 0.5, 0.8
"""Frequency of hands that write drawn digits, and of these digits among theirs."""
_ZERO = 0.12
"""Frequency of further zeros, which amounts of money are full of."""


@dataclass(frozen=True)
class Digits:
    """Where lines take their digits from: the images of a split, and drawn digits."""

    split: Split
    drawn: Split

    @staticmethod
    def of(split: Split, drawn: int, seed: int) -> "Digits":
        """The digits of a split and `drawn` drawn ones."""
        return Digits(split, Split("drawn", *draw_digits(drawn, seed)))

    def choose(self, drawn: bool, dice: Dice) -> tuple[Image, int]:
        """Choose a digit: its image, uint8 [28, 28], and its label."""
        source = self.drawn if drawn else self.split
        number = int(dice.integers(len(source.labels)))
        if not drawn and dice.random() < _ZERO:
            zeros = np.flatnonzero(source.labels == 0)
            number = int(zeros[dice.integers(len(zeros))])
        return source.images[number], int(source.labels[number])


@dataclass(frozen=True)
class _Hand:
    """What the digits of a line share.

    height: of a digit in pixels. slant: columns to the right per row up. width: factor for widths. pen: -1 = a pixel thinner, 1 = thicker.
    gap: between neighbours' ink, in heights; negative overlaps. top: row of the digits' tops. slope: rows down per column. drawn: whether
    it writes drawn digits. stroke: width of marks' strokes in pixels.
    """

    height: float
    slant: float
    width: float
    pen: float
    gap: float
    top: float
    slope: float
    drawn: bool
    stroke: float

    @staticmethod
    def draw(dice: Dice) -> "_Hand":
        height = float(np.clip(dice.normal(22, 4.5), 11, 30))
        space = HEIGHT - height
        gaps = ((-0.05, 0.15), (0.05, 0.45), (-0.15, 0.05))
        return _Hand(
            height=height,
            slant=dice.normal(0, 0.12) if dice.random() < 0.5 else dice.uniform(-0.1, 0.6),
            width=float(np.exp(dice.uniform(-0.45, 0.3))),
            pen=dice.uniform(-0.8, 0.9) if dice.random() < 0.6 else 0,
            gap=dice.uniform(*gaps[dice.choice(3, p=[0.45, 0.4, 0.15])]),
            top=_MARGIN + float(np.clip(dice.normal(space / 2, space / 4), -2, space + 2)),
            slope=dice.normal(0, 0.02),
            drawn=dice.random() < _DRAWN_HANDS,
            stroke=dice.uniform(1.2, 3),
        )


class _Sheet:
    """The ink of a line in the making. right: for each row, the last column that keeps the next neighbour away."""

    def __init__(self, start: float) -> None:
        self.ink = np.zeros((HEIGHT + 2 * _MARGIN, WIDTH), np.float32)
        self.right = np.full(len(self.ink), start)
        self._empty = True

    @property
    def end(self) -> float:
        return float(self.right.max())

    def put(self, part: Floats, top: float, gap: float, overlap: float) -> bool:
        """Put ink to the right of what is there, `gap` columns away; False if there is no room."""
        first = round(max(top, 0.0))
        part = part[max(0, -round(top)) :][: max(0, len(self.ink) - first)]
        solid = part > _INK
        if not solid.any():
            return True
        rows, has = slice(first, first + len(part)), solid.any(axis=1)
        padded = np.pad(self.right, 2, mode="edge")
        near = np.max([padded[shift : shift + len(self.right)] for shift in range(5)], axis=0)[rows]
        touching = float((near - solid.argmax(axis=1))[has].max()) + 1 + gap
        column = max(1, round(touching if self._empty else max(touching, self.end - overlap)))
        end = column + part.shape[1]
        if end > WIDTH - 2:
            return False
        np.maximum(self.ink[rows, column:end], part, out=self.ink[rows, column:end])
        last = end - 1 - solid[:, ::-1].argmax(axis=1)
        self.right[rows] = np.where(has, np.maximum(self.right[rows], last), self.right[rows])
        self.right = np.maximum(self.right, end - 1 - part.shape[1] / 2)  # nothing slips below more than half of it
        self._empty = False
        return True


def write_lines(digits: Digits, count: int, seed: int) -> tuple[NDArray[np.uint8], list[str]]:
    """Write lines: uint8 [count, 32, 160], 0 = ground and to the right of a line, 255 = ink; and the digits of each."""
    dice = np.random.default_rng(seed)
    images, texts = np.zeros((count, HEIGHT, WIDTH), np.uint8), []
    for image in images:
        line, text = write_line(digits, dice)
        image[:, : line.shape[1]] = line
        texts.append(text)
    return images, texts


def write_line(digits: Digits, dice: Dice) -> tuple[LineImage, str]:
    """Write a line of 1 to 10 digits, fewer where there is no room: uint8 [32, W], with W up to 160, and its digits."""
    hand, sheet, text = _Hand.draw(dice), _Sheet(dice.uniform(1, 13)), ""
    if dice.random() < _BEFORE:
        _put_mark(sheet, hand, choose_mark(BEFORE, dice), 0)
    for number in range(1 + int(dice.choice(LONGEST, p=_LENGTHS))):
        if number and dice.random() < _BETWEEN:
            _put_mark(sheet, hand, choose_mark(BETWEEN, dice), hand.height * dice.uniform(0.02, 0.2))
        image, label = digits.choose(hand.drawn and dice.random() < _DRAWN, dice)
        if not _put_digit(sheet, hand, image, dice):
            break
        text += str(label)
    if dice.random() < _AFTER:
        for _ in range(int(dice.integers(1, 3))):
            _put_mark(sheet, hand, choose_mark(AFTER, dice), hand.height * dice.uniform(0.02, 0.4))
    width = int(np.clip(sheet.end + dice.uniform(2, 30), 24, WIDTH))
    return _photographed(sheet.ink[_MARGIN : _MARGIN + HEIGHT, :width], dice), text


def _put_digit(sheet: _Sheet, hand: _Hand, image: Image, dice: Dice) -> bool:
    height = hand.height * float(np.exp(dice.normal(0, 0.09)))
    if dice.random() < 0.06:
        height *= dice.uniform(0.65, 1.3)
    part = _shaped(image, max(9.0, height), hand, dice)
    gap = hand.height * dice.normal(hand.gap, 0.08)
    if dice.random() < 0.05:
        gap += hand.height * dice.uniform(0.3, 1.5)
    top = hand.top + (hand.height - height) * dice.uniform(0.3, 1) + hand.slope * sheet.end + hand.height * dice.normal(0, 0.04)
    return sheet.put(part, top, gap, _OVERLAP * hand.height)


def _put_mark(sheet: _Sheet, hand: _Hand, strokes: Strokes, gap: float) -> None:
    """Draw a mark, and put it on the sheet if there is room."""
    every, half = np.concatenate(strokes) * hand.height, hand.stroke / 2
    low = every.min(axis=0) - half - 1
    right, bottom = np.ceil(every.max(axis=0) - low + half + 1).astype(int).tolist()
    part = ink_of([stroke * hand.height - low for stroke in strokes], half, (bottom + 1, right + 1))
    sheet.put(part, hand.top + low[1] + hand.slope * sheet.end, gap, _OVERLAP * hand.height)


def _shaped(image: Image, height: float, hand: _Hand, dice: Dice) -> Floats:
    """A digit by a hand: resized, slanted and turned by bilinear interpolation, thinner or thicker, cropped to its ink."""
    rows, columns = np.flatnonzero(image.max(axis=1) > 40), np.flatnonzero(image.max(axis=0) > 40)
    scale = height / (rows[-1] - rows[0] + 1)
    width, slant, angle = hand.width * float(np.exp(dice.normal(0, 0.08))), hand.slant + dice.normal(0, 0.06), dice.normal(0, 0.06)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # From rows and columns of the result to those of the image.
    matrix = np.array([[1, 0], [slant / width, 1 / width]]) @ turn / scale
    middle = np.array([rows[0] + rows[-1], columns[0] + columns[-1]]) / 2
    side = int(2.2 * height * max(1.0, width)) + 6
    part = affine_transform(image / np.float32(255), matrix, middle - matrix @ np.full(2, (side - 1) / 2), (side, side), order=1)
    changed = grey_dilation(part, (2, 2)) if hand.pen > 0 else grey_erosion(part, (2, 2))
    part = np.asarray((1 - abs(hand.pen)) * part + abs(hand.pen) * changed, np.float32)
    solid = part > min(0.25, part.max() / 2)
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    cropped = part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(cropped / cropped.max(), np.float32)


def _photographed(ink: Floats, dice: Dice) -> LineImage:
    """Ink on a ground in uneven light, blurred and with noise, as a line image."""
    ink = ink * dice.uniform(0.45, 1)
    if dice.random() < 0.5:
        ink = gaussian_filter(ink, dice.uniform(0.3, 0.9))
    ground = draw_ground((HEIGHT, ink.shape[1]), dice) * dice.uniform(0.3, 1)
    down, across = np.mgrid[: ink.shape[0], : ink.shape[1]] / np.array(ink.shape)[:, None, None] - 0.5
    light = dice.uniform(0.5, 1) * (1 + across * dice.normal(0, 0.1) + down * dice.normal(0, 0.1))
    grey = light * (1 - ground) * (1 - ink)
    if dice.random() < 0.5:
        grey = gaussian_filter(grey, dice.uniform(0.2, 0.7))
    grey = grey + dice.normal(0, 1, grey.shape) * dice.choice([0, 0.01, 0.03, 0.06])
    return stretch_contrast(255 - (230 * grey).clip(0, 255))
