"""Cut a line out of a page for the line model: levelled, without the marks of other lines, digits about two thirds as high as the crop."""

from collections.abc import Iterable, Sequence
from dataclasses import field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.preprocessing.resampling import dilate
from edge_runtime.reading.line_image import HEIGHT, LineImage, line_image
from edge_runtime.reading.line_model import LineDigit
from edge_runtime.reading.page_layout import Box, Mark, centre_line

Floats = NDArray[np.float32]

FILL = 0.68
"""Typical height of a digit, as a fraction of the crop's height; the line model learned from 0.35 to 0.95."""
BESIDE = 0.25
"""Ground to the left and right of a line, in heights of a digit or of a picture that a line fills."""
STEEPEST = 0.3
"""Maximum slope of a line that is levelled, in rows per column."""
SOLID = 100
"""Minimum value of a pixel of the line image that belongs to a digit's box."""


@frozen_dataclass
class LineCrop:
    """A line of a page, as the line model takes it.

    image: uint8 [32, W]. pixel: pixels of the page per pixel of the image. top: row of the page at the upper left corner of the image,
    left: column. slope: rows down per column.
    """

    image: LineImage = field(repr=False)
    pixel: float
    top: float
    left: float
    slope: float = 0.0

    def boxes(self, digits: Sequence[LineDigit]) -> list[Box]:
        """The box of each digit's ink on the page: top, left, bottom, right. Digits are parted halfway between them."""
        middles = [(digit.first + digit.last + 1) / 2 for digit in digits]
        parted = [0, *(round((left + right) / 2) for left, right in pairwise(middles)), self.image.shape[1]]
        return [self._box(first, last) for first, last in pairwise(parted)]

    def _box(self, first: int, last: int) -> Box:
        last = max(last, first + 1)
        solid = self.image[:, first:last] >= SOLID
        if not solid.any():
            solid = np.ones_like(solid)
        rows, columns = np.flatnonzero(solid.any(axis=1)), first + np.flatnonzero(solid.any(axis=0))
        left, right = (self.left + self.pixel * float(column) for column in (columns[0], columns[-1] + 1))
        down = self.top + self.slope * ((left + right) / 2 - self.left)
        return round(down + self.pixel * float(rows[0])), round(left), round(down + self.pixel * float(rows[-1] + 1)), round(right)


def crop_line(marks: Sequence[Mark], others: Iterable[Mark], ink: Floats) -> LineCrop:
    """Cut a line out of a page.

    Args:
        marks: its marks, from left to right.
        others: the marks of other lines, whose ink is removed.
        ink: float32 [H, W], of the page, 0 = paper, 1 = black.
    """
    boxes = np.array([mark.box for mark in marks])
    heights = boxes[:, 2] - boxes[:, 0]
    height = float(np.median(heights))
    slope, start = centre_line(boxes, STEEPEST if len(marks) > 2 else 0.0)
    left, right = int(boxes[:, 1].min() - BESIDE * height), int(np.ceil(boxes[:, 3].max() + BESIDE * height))
    level = start + slope * (boxes[:, 1] + boxes[:, 3]) / 2
    reach = max(float((level - boxes[:, 0]).max()), float((boxes[:, 2] - level).max()))
    rows = round(float(np.clip(2 * reach + 0.1 * height, height / FILL, 1.5 * height / FILL)))
    tops = np.rint(start + slope * np.arange(left, right) - rows / 2).astype(np.int64)
    cut = _gathered(_without(ink, others, (int(tops.min()), left, int(tops.max()) + rows, right)), tops, left, rows)
    return LineCrop(line_image(255 * cut), rows / HEIGHT, float(start + slope * left - rows / 2), left, slope)


def _without(ink: Floats, others: Iterable[Mark], area: Box) -> Floats:
    """The ink without other marks that lie in the area."""
    cleared = ink
    for mark in others:
        top, left, bottom, right = mark.box
        if top < area[2] and bottom > area[0] and left < area[3] and right > area[1]:
            cleared = ink.copy() if cleared is ink else cleared
            grown = dilate(np.pad(mark.mask, 1))[1:-1, 1:-1]
            cleared[top:bottom, left:right][grown] = 0
    return cleared


def _gathered(ink: Floats, tops: NDArray[np.int64], left: int, rows: int) -> Floats:
    """`rows` rows of each column from `left` on, beginning with that column's top; 0 outside of the page."""
    height, width = ink.shape
    down = tops + np.arange(rows)[:, np.newaxis]
    across = np.broadcast_to(left + np.arange(len(tops)), down.shape)
    inside = (down >= 0) & (down < height) & (across >= 0) & (across < width)
    return np.asarray(np.where(inside, ink[down.clip(0, height - 1), across.clip(0, width - 1)], 0), np.float32)
