"""Find the marks of a page, join the strokes of a digit, and sort them in reading order. `reader` classifies them."""

from collections.abc import Iterable, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import Image
from edge_runtime.preprocessing.connected_components import Components
from edge_runtime.preprocessing.normalization import normalize
from edge_runtime.preprocessing.segmentation import NEAR, find_strokes

Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]

MIN_SIZE = 10
"""Minimum longer side of a mark, in pixels."""
BODY = 0.4
"""Minimum size of a component that is a mark by itself, as a fraction of the typical size. Smaller ones are strokes of a near mark."""
STROKE = 0.12
"""Minimum size of a stroke, as a fraction of the typical size. Smaller components are specks."""
MAX_SIZE = 3.0
"""Maximum size of a mark, in typical sizes. Larger components are frames or drawings."""
ABOVE = 0.5
"""Minimum overlap of two marks above each other that are one digit, as a fraction of the narrower one's width."""
MAX_HEIGHT = 1.5
"""Maximum height of a digit that is joined from two marks, in typical heights."""
BESIDE = 0.4
"""Minimum vertical overlap of neighbours in a line, as a fraction of the smaller height."""
FRAGMENT = 3
"""Minimum number of marks of a line that is none of the fragments of another."""
MAX_GAP = 4.0
"""Maximum gap between neighbours in a line, in heights."""


@frozen_dataclass
class Mark:
    """A candidate for a digit. box: top, left, bottom, right, the latter two exclusive. mask: bool, of the box. cut: touches the border."""

    box: Box
    mask: NDArray[np.bool_] = field(repr=False)
    cut: bool = False

    @property
    def height(self) -> int:
        """Height of the box in pixels."""
        return self.box[2] - self.box[0]

    @property
    def width(self) -> int:
        """Width of the box in pixels."""
        return self.box[3] - self.box[1]

    @property
    def size(self) -> int:
        """Longer side of the box in pixels."""
        return max(self.height, self.width)

    def image(self, ink: Floats) -> Image:
        """Normalise the mark to MNIST's form, uint8 [28, 28]. ink: float32, of the page."""
        return normalize(ink, self.box, self.mask)[0]


def find_marks(ink: Floats) -> list[list[Mark]]:
    """Find the lines of a page from top to bottom, and in each its marks from left to right.

    Args:
        ink: float32 [H, W], contrast with the background.
    """
    strokes = find_strokes(ink)
    return group_lines(_join_vertically(_marks_of(strokes[0]))) if strokes else []


def merge(marks: Iterable[Mark]) -> Mark:
    """Merge several marks into one."""
    marks = list(marks)
    top, left = (min(mark.box[side] for mark in marks) for side in (0, 1))
    bottom, right = (max(mark.box[side] for mark in marks) for side in (2, 3))
    mask = np.zeros((bottom - top, right - left), bool)
    for mark in marks:
        y, x = mark.box[0] - top, mark.box[1] - left
        mask[y : y + mark.height, x : x + mark.width] |= mark.mask
    return Mark((top, left, bottom, right), mask, any(mark.cut for mark in marks))


def split_evenly(mark: Mark, count: int) -> list[Mark]:
    """Cut a mark from top to bottom into `count` parts of similar width, across as few strokes as possible; fewer if it is too narrow.

    Each cut is the cheapest path down, at most one column to the left or right per row, by dynamic programming: R. Casey, E. Lecolinet, "A
    survey of methods and strategies in character segmentation", IEEE PAMI 18 (1996), section 3.
    """
    return split_at(mark, [number / count for number in range(1, count)], 0.35 / count)


def split_at(mark: Mark, places: Sequence[float], reach: float) -> list[Mark]:
    """Cut a mark as `split_evenly` does, at these fractions of its width, each shifted by at most `reach`."""
    sides = np.zeros(mark.mask.shape, np.int64)  # number of cuts to the left of each pixel
    for place in places:
        path = _cheapest_path(mark.mask, place, reach)
        sides += np.arange(mark.width) >= path[:, None]
    parts = [_cropped(mark, mark.mask & (sides == number)) for number in range(len(places) + 1)]
    return [part for part in parts if part is not None]


def group_lines(marks: list[Mark]) -> list[list[Mark]]:
    """Group marks into lines in reading order. Each mark is followed by the nearest one beside it, so lines may be slanted or curved."""
    order = sorted(marks, key=lambda mark: mark.box[1])
    boxes = _boxes(order)
    tallest = float((boxes[:, 2] - boxes[:, 0]).max(initial=0))
    followed = np.zeros(len(order), bool)
    after: dict[int, int] = {}
    for number, box in enumerate(boxes):
        last = int(np.searchsorted(boxes[:, 1], box[3] + MAX_GAP * tallest, "right"))  # no mark beyond is near
        right = np.arange(number + 1, last)
        right = right[~followed[right] & _follow(box, boxes[right])]
        if len(right):
            after[number] = int(right[_distances(box, boxes[right]).argmin()])
            followed[after[number]] = True
    lines = []
    for number in range(len(order)):
        if not followed[number]:
            line = [number]
            while line[-1] in after:
                line.append(after[line[-1]])
            lines.append([order[mark] for mark in line])
    lines = _with_fragments(lines)
    step = float(np.median([mark.height for mark in marks])) / 2 if marks else 1.0
    return sorted(lines, key=lambda line: (round(_top_at_left(line) / step), line[0].box[1]))


def _with_fragments(lines: list[list[Mark]]) -> list[list[Mark]]:
    """Join to long lines the short ones that lie within them: where digits overlap, a mark may follow none or be followed by none."""
    by_length = sorted(lines, key=len, reverse=True)
    boxes = [_boxes(line) for line in by_length]
    joined: set[int] = set()
    for number, line in enumerate(by_length):
        if len(line) < FRAGMENT or number in joined:
            continue
        own = boxes[number]
        slope, start = centre_line(own)
        reach = float(np.median(own[:, 2] - own[:, 0])) / 2
        for other in range(number + 1, len(by_length)):
            if other in joined or len(by_length[other]) >= FRAGMENT:
                continue
            inside = (boxes[other][:, 1] < own[:, 3].max()) & (boxes[other][:, 3] > own[:, 1].min())
            level = start + slope * (boxes[other][:, 1] + boxes[other][:, 3]) / 2
            if (inside & (np.abs((boxes[other][:, 0] + boxes[other][:, 2]) / 2 - level) < reach)).all():
                line.extend(by_length[other])
                joined.add(other)
        line.sort(key=lambda mark: mark.box[1])
    return [line for number, line in enumerate(by_length) if number not in joined]


def centre_line(boxes: NDArray[np.int64], steepest: float = np.inf) -> tuple[float, float]:
    """Fit a straight line to the centres of boxes: its slope, in rows per column, and its row at column 0.

    Args:
        boxes: [N, 4]: top, left, bottom, right.
        steepest: it is level if it would be steeper than this, or if all centres are in one column.
    """
    rows, columns = ((boxes[:, side] + boxes[:, side + 2]) / 2 for side in (0, 1))
    if np.ptp(columns) > 0:
        slope, start = np.polyfit(columns, rows, 1)
        if abs(slope) <= steepest:
            return float(slope), float(start)
    return 0.0, float(rows.mean())


def _marks_of(components: Components) -> list[Mark]:
    """Components of a digit's size, each with the smaller ones near it."""
    sizes = (components.boxes[:, 2:] - components.boxes[:, :2]).max(axis=1)
    typical = _typical_size(sizes, components)
    large = (sizes >= max(MIN_SIZE, BODY * typical)) & (sizes <= MAX_SIZE * typical)
    # A large component at the border is often a shadow or the edge of a table.
    bodies = [_mark(components, number) for number in np.flatnonzero(large & (~components.at_edge | (sizes <= typical))).tolist()]
    small = (sizes < BODY * typical) & (sizes >= STROKE * typical) & ~components.at_edge
    strokes = [_mark(components, number) for number in np.flatnonzero(small).tolist()]
    for stroke in strokes:
        gap, nearest = min(((_gap(body, stroke), number) for number, body in enumerate(bodies)), default=(np.inf, -1))
        if gap <= NEAR * typical:
            bodies[nearest] = merge([bodies[nearest], stroke])
    return bodies


def _typical_size(sizes: NDArray[np.int64], components: Components) -> float:
    """The median size, weighted by ink. Components at the border are ignored, unless all touch it."""
    inside = ~components.at_edge if (~components.at_edge).any() else np.ones(len(sizes), bool)
    order = np.argsort(sizes[inside])
    ink = np.cumsum(components.masses[inside][order])
    return float(sizes[inside][order][np.searchsorted(ink, ink[-1] / 2)])


def _mark(components: Components, number: int) -> Mark:
    top, left, bottom, right = components.boxes[number].tolist()
    return Mark((top, left, bottom, right), components.part(number), bool(components.at_edge[number]))


def _join_vertically(marks: list[Mark]) -> list[Mark]:
    """Join marks of which one is just above the other: an 8 of two rings, the bar of a 5."""
    typical = float(np.median([mark.height for mark in marks])) if marks else 0.0
    joined: dict[int, Mark] = {}
    boxes = np.zeros((len(marks), 4), np.int64)
    left = np.zeros(len(marks), bool)  # joined and not part of a later one
    for count, mark in enumerate(sorted(marks, key=lambda mark: mark.box[0])):
        above = np.flatnonzero(left[:count] & _are_above(boxes[:count], np.array(mark.box), typical)).tolist()
        merged = merge([*(joined.pop(number) for number in above), mark]) if above else mark
        left[above] = False
        joined[count], boxes[count], left[count] = merged, merged.box, True
    return list(joined.values())


def _boxes(marks: Sequence[Mark]) -> NDArray[np.int64]:
    """The boxes of marks: int64 [N, 4]."""
    return np.array([mark.box for mark in marks], np.int64).reshape(-1, 4)


def _are_above(upper: NDArray[np.int64], lower: NDArray[np.int64], typical: float) -> NDArray[np.bool_]:
    """Whether each of some boxes, [N, 4], is part of a digit whose lower part is in the box `lower`, [4]."""
    shared = np.minimum(upper[:, 3], lower[3]) - np.maximum(upper[:, 1], lower[1])
    height = np.maximum(upper[:, 2], lower[2]) - np.minimum(upper[:, 0], lower[0])
    down = np.maximum(upper[:, 0] - lower[2], lower[0] - upper[:, 2])
    gap = np.maximum(down, -shared)
    narrower = np.minimum(upper[:, 3] - upper[:, 1], lower[3] - lower[1])
    return np.asarray((gap <= NEAR * typical) & (shared >= ABOVE * narrower) & (height <= MAX_HEIGHT * typical))


def _gap(one: Mark, other: Mark) -> int:
    """The gap between two boxes along rows or columns, in pixels; negative if they overlap."""
    down = max(one.box[0] - other.box[2], other.box[0] - one.box[2])
    return max(down, one.box[1] - other.box[3], other.box[1] - one.box[3])


def _follow(box: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of the boxes on the right, [N, 4], may be next to a box, [4], in a line."""
    shared = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    heights = others[:, 2] - others[:, 0]
    near = others[:, 1] - box[3] <= MAX_GAP * np.maximum(box[2] - box[0], heights)
    return np.asarray(near & (shared >= BESIDE * np.minimum(box[2] - box[0], heights)))


def _distances(box: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """The horizontal gaps to boxes on the right, [N, 4], plus twice the vertical distances of the centres."""
    down = np.abs((box[0] + box[2]) - (others[:, 0] + others[:, 2])) / 2
    return np.asarray(np.maximum(0, others[:, 1] - box[3]) + 2 * down)


def _top_at_left(line: list[Mark]) -> float:
    """The row where the straight line through the marks' centres meets the left border."""
    return centre_line(_boxes(line), 1)[1]


def _cheapest_path(mask: NDArray[np.bool_], place: float, reach: float) -> NDArray[np.int64]:
    """For each row, the column just right of a cut around `place` (a fraction of the width), at most `reach` away."""
    width = mask.shape[1]
    first, last = int((place - reach) * width), min(width, int((place + reach) * width) + 1)
    middle = np.abs(np.arange(first, last) - place * width) / width
    costs = mask[:, first:last] + 0.2 * middle  # prefer the middle among equal paths
    total = costs[0].copy()
    step = np.zeros(costs.shape, np.int64)
    for row in range(1, len(costs)):
        padded = np.pad(total, 1, constant_values=np.inf)
        from_columns = np.stack([padded[:-2], padded[1:-1], padded[2:]]) + 0.01 * np.array([[1], [0], [1]])
        step[row] = from_columns.argmin(axis=0) - 1
        total = from_columns.min(axis=0) + costs[row]
    path = np.empty(len(costs), np.int64)
    path[-1] = total.argmin()
    for row in range(len(costs) - 1, 0, -1):
        path[row - 1] = path[row] + step[row, path[row]]
    return path + first


def _cropped(mark: Mark, mask: NDArray[np.bool_]) -> Mark | None:
    """The mark of a part of a mask, with its own box; None without ink."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    y, x = mark.box[:2]
    return Mark((y + top, x + left, y + bottom, x + right), mask[top:bottom, left:right], mark.cut)
