"""The marks of a page, strokes of a digit kept together, in reading order. Which of them are what digits is for others to say."""

from collections.abc import Iterable, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import Image
from edge_runtime.preprocessing.connected_components import Components
from edge_runtime.preprocessing.normalization import normalize
from edge_runtime.preprocessing.segmentation import NEAR, find_pieces

Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]

LEAST_SIZE = 10
"""Pixels that a mark has along its longer side at least."""
BODY = 0.4
"""Pieces from this share of the usual size on are marks of their own; smaller ones are strokes of a mark beside them, or nothing."""
STROKE = 0.12
"""Pieces below this share of the usual size are specks."""
LARGEST = 3.0
"""Pieces so many times as high as usual are no digits: frames, drawings."""
ABOVE = 0.5
"""Two marks of which one is above the other are one digit if they share this much of the narrower one's width."""
HIGHEST = 1.5
"""A digit made of two marks is not higher than so many times the usual."""
BESIDE = 0.4
"""Two marks are in one line if they share this much of the lower one's height."""
FAR = 4.0
"""Heights that the next digit of a line is away at most."""


@frozen_dataclass
class Mark:
    """What may be a digit. box: top, left, bottom, right, the latter just outside; mask: bool, of the box; cut: it touches the border."""

    box: Box
    mask: NDArray[np.bool_] = field(repr=False)
    cut: bool = False

    @property
    def height(self) -> int:
        """Rows of the box."""
        return self.box[2] - self.box[0]

    @property
    def width(self) -> int:
        """Columns of the box."""
        return self.box[3] - self.box[1]

    @property
    def size(self) -> int:
        """Pixels along the longer side."""
        return max(self.height, self.width)

    def image(self, ink: Floats) -> Image:
        """The mark in MNIST's form, uint8 [28, 28]. ink: float32, of the page."""
        return normalize(ink, self.box, self.mask)[0]


def find_marks(ink: Floats) -> list[list[Mark]]:
    """The lines of a page from top to bottom, and in each the marks from left to right.

    Args:
        ink: float32 [H, W], contrast with the ground.
    """
    found = find_pieces(ink)
    return group_lines(_whole(_marks_of(found[0]))) if found else []


def merge(marks: Iterable[Mark]) -> Mark:
    """Several marks as one."""
    marks = list(marks)
    top, left = (min(mark.box[side] for mark in marks) for side in (0, 1))
    bottom, right = (max(mark.box[side] for mark in marks) for side in (2, 3))
    mask = np.zeros((bottom - top, right - left), bool)
    for mark in marks:
        y, x = mark.box[0] - top, mark.box[1] - left
        mask[y : y + mark.height, x : x + mark.width] |= mark.mask
    return Mark((top, left, bottom, right), mask, any(mark.cut for mark in marks))


def split_evenly(mark: Mark, count: int) -> list[Mark]:
    """A mark cut from top to bottom into `count` parts of about the same width, across as few strokes as can be; fewer if it is too narrow.

    Each cut is the cheapest way down, a column to the left or right a row at most, by dynamic programming: R. Casey, E. Lecolinet, "A
    survey of methods and strategies in character segmentation", IEEE PAMI 18 (1996), section 3.
    """
    return split_at(mark, [number / count for number in range(1, count)], 0.35 / count)


def split_at(mark: Mark, places: Sequence[float], reach: float) -> list[Mark]:
    """A mark cut, as `split_evenly` cuts, around these places, shares of its width from left to right, and not further off than `reach`."""
    sides = np.zeros(mark.mask.shape, np.int64)  # how many cuts are left of a pixel
    for place in places:
        way = _cheapest_way(mark.mask, place, reach)
        sides += np.arange(mark.width) >= way[:, None]
    parts = [_cropped(mark, mark.mask & (sides == number)) for number in range(len(places) + 1)]
    return [part for part in parts if part is not None]


def group_lines(marks: list[Mark]) -> list[list[Mark]]:
    """Marks in reading order. Each goes on with the nearest to its right that shares its height, so lines may be slanted or bent."""
    order = sorted(marks, key=lambda mark: mark.box[1])
    followed: set[int] = set()
    after: dict[int, int] = {}
    for number, mark in enumerate(order):
        right = [other for other in range(number + 1, len(order)) if other not in followed and _follows(mark, order[other])]
        if right:
            after[number] = min(right, key=lambda other: _distance(mark, order[other]))
            followed.add(after[number])
    lines = []
    for number in range(len(order)):
        if number not in followed:
            line = [number]
            while line[-1] in after:
                line.append(after[line[-1]])
            lines.append([order[mark] for mark in line])
    step = float(np.median([mark.height for mark in marks])) / 2 if marks else 1.0
    return sorted(lines, key=lambda line: (round(_top_at_left(line) / step), line[0].box[1]))


def _marks_of(pieces: Components) -> list[Mark]:
    """Pieces of a digit's size, with the smaller ones that belong to them."""
    sizes = (pieces.boxes[:, 2:] - pieces.boxes[:, :2]).max(axis=1)
    usual = _usual_size(sizes, pieces)
    large = (sizes >= max(LEAST_SIZE, BODY * usual)) & (sizes <= LARGEST * usual)
    # What touches the border is a digit cut off at most, and often a shadow or the edge of a table.
    bodies = [_mark(pieces, number) for number in np.flatnonzero(large & (~pieces.at_edge | (sizes <= usual))).tolist()]
    small = (sizes < BODY * usual) & (sizes >= STROKE * usual) & ~pieces.at_edge
    strokes = [_mark(pieces, number) for number in np.flatnonzero(small).tolist()]
    for stroke in strokes:
        gap, nearest = min(((_gap(body, stroke), number) for number, body in enumerate(bodies)), default=(np.inf, -1))
        if gap <= NEAR * usual:
            bodies[nearest] = merge([bodies[nearest], stroke])
    return bodies


def _usual_size(sizes: NDArray[np.int64], pieces: Components) -> float:
    """The size that pieces with half of all the ink have at most; what touches the border does not count, unless all does."""
    inside = ~pieces.at_edge if (~pieces.at_edge).any() else np.ones(len(sizes), bool)
    order = np.argsort(sizes[inside])
    ink = np.cumsum(pieces.masses[inside][order])
    return float(sizes[inside][order][np.searchsorted(ink, ink[-1] / 2)])


def _mark(pieces: Components, number: int) -> Mark:
    top, left, bottom, right = pieces.boxes[number].tolist()
    return Mark((top, left, bottom, right), pieces.part(number), bool(pieces.at_edge[number]))


def _whole(marks: list[Mark]) -> list[Mark]:
    """Marks of which one is just above the other are one digit: an 8 of two rings, the bar of a 5."""
    usual = float(np.median([mark.height for mark in marks])) if marks else 0.0
    found: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: mark.box[0]):
        above = [other for other in found if _is_above(other, mark, usual)]
        for other in above:
            found.remove(other)
        found.append(merge([*above, mark]) if above else mark)
    return found


def _is_above(upper: Mark, lower: Mark, usual: float) -> bool:
    shared = min(upper.box[3], lower.box[3]) - max(upper.box[1], lower.box[1])
    height = max(upper.box[2], lower.box[2]) - min(upper.box[0], lower.box[0])
    near = _gap(upper, lower) <= NEAR * usual and shared >= ABOVE * min(upper.width, lower.width)
    return near and height <= HIGHEST * usual


def _gap(one: Mark, other: Mark) -> int:
    """Pixels between two boxes, along rows or columns; below 0 where they overlap."""
    down = max(one.box[0] - other.box[2], other.box[0] - one.box[2])
    return max(down, one.box[1] - other.box[3], other.box[1] - one.box[3])


def _follows(mark: Mark, other: Mark) -> bool:
    shared = min(mark.box[2], other.box[2]) - max(mark.box[0], other.box[0])
    near = other.box[1] - mark.box[3] <= FAR * max(mark.height, other.height)
    return near and shared >= BESIDE * min(mark.height, other.height)


def _distance(mark: Mark, other: Mark) -> float:
    """How far a mark is to the right of another, and above or below it, which counts twice."""
    down = abs((mark.box[0] + mark.box[2]) - (other.box[0] + other.box[2])) / 2
    return max(0, other.box[1] - mark.box[3]) + 2 * down


def _top_at_left(line: list[Mark]) -> float:
    """The middle of a line's height where it would meet the left border: a straight line through its marks, level if there is but one."""
    middles = np.array([((mark.box[1] + mark.box[3]) / 2, (mark.box[0] + mark.box[2]) / 2) for mark in line])
    if len(line) == 1:
        return float(middles[0, 1])
    slope, start = np.polyfit(middles[:, 0], middles[:, 1], 1)
    return float(start) if abs(slope) < 1 else float(middles[:, 1].mean())


def _cheapest_way(mask: NDArray[np.bool_], place: float, reach: float) -> NDArray[np.int64]:
    """For each row the column just right of a cut, on its way down around `place` (a share of the width), not further off than `reach`."""
    width = mask.shape[1]
    first, last = int((place - reach) * width), min(width, int((place + reach) * width) + 1)
    middle = np.abs(np.arange(first, last) - place * width) / width
    costs = mask[:, first:last] + 0.2 * middle  # of equal ways the one in the middle
    total = costs[0].copy()
    came = np.zeros(costs.shape, np.int64)
    for row in range(1, len(costs)):
        padded = np.pad(total, 1, constant_values=np.inf)
        from_columns = np.stack([padded[:-2], padded[1:-1], padded[2:]]) + 0.01 * np.array([[1], [0], [1]])
        came[row] = from_columns.argmin(axis=0) - 1
        total = from_columns.min(axis=0) + costs[row]
    way = np.empty(len(costs), np.int64)
    way[-1] = total.argmin()
    for row in range(len(costs) - 1, 0, -1):
        way[row - 1] = way[row] + came[row, way[row]]
    return way + first


def _cropped(mark: Mark, mask: NDArray[np.bool_]) -> Mark | None:
    """The mark of a part of a mask, in a box of its own; None without any ink."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    y, x = mark.box[:2]
    return Mark((y + top, x + left, y + bottom, x + right), mask[top:bottom, left:right], mark.cut)
