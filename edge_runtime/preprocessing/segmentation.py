"""Which ink is the digit: its strokes kept together, specks and the rest of the page left out."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.preprocessing.background import spread
from edge_runtime.preprocessing.connected_components import Components, find_components

Floats = NDArray[np.float32]

LEAST_INK = 0.06
"""Contrast below which nothing is ink."""
OVER_NOISE = 5.0
"""How many times the noise's standard deviation ink has to stand out."""
STROKE = 0.3
"""Strokes begin at this share of the digit's own contrast."""
NEAR = 0.15
"""Pieces not further off than this share of the digit's size belong to it."""
TALL = 0.75
"""Two pieces side by side that share this much of their height are two digits, however near."""
LARGER = 1.5
"""Pieces so many times as large as the digit are something else: a frame, the edge of a table."""
SPECK = 0.01
"""Pieces below this share of the largest one's area are specks."""
ANOTHER = 0.5
"""Pieces from this share of the digit's height on are digits too."""
AT_EDGE = 0.01
"""What ink that touches the border counts: it may be the table, a shadow or a scanner's frame."""


@frozen_dataclass
class Strokes:
    """A digit on the page.

    box: top, left, bottom and right, bottom and right just outside. mask: bool [H, W]. contrast: that of its ink with its ground.
    others: how many more pieces look like digits. cut: it touches the border of the picture.
    """

    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]
    contrast: float
    others: int
    cut: bool


def find_digit(ink: Floats) -> Strokes | None:
    """The strokes of the digit that has the most ink, or None if nothing stands out from the noise.

    Args:
        ink: float32 [H, W], contrast with the ground.
    """
    found = find_pieces(ink)
    if found is None:
        return None
    pieces, contrast = found
    chosen = _together(pieces, _heaviest(pieces))
    top, left, bottom, right = _around(pieces.boxes[chosen]).tolist()
    cut = top == 0 or left == 0 or bottom == ink.shape[0] or right == ink.shape[1]
    others = _others(pieces, chosen, ANOTHER * (bottom - top))
    return Strokes((top, left, bottom, right), pieces.mask(chosen), contrast, others, cut)


def find_pieces(ink: Floats) -> tuple[Components, float] | None:
    """All that stands out from the noise, in pieces that hang together, and the contrast of the heaviest of them; None if nothing does."""
    smoothed = smooth(ink)
    least = max(OVER_NOISE * spread(smoothed), LEAST_INK)
    parts = find_components(smoothed > least, (smoothed - least) ** 2)
    if not len(parts):
        return None
    contrast = _contrast(smoothed, parts, _heaviest(parts))
    # Where two threshold values are wanted, a low one to find ink and a higher one for its outline: J. Canny, IEEE PAMI 8 (1986).
    return find_components(smoothed > max(least, STROKE * contrast), smoothed), contrast


def smooth(ink: Floats) -> Floats:
    """Each pixel with its eight neighbours, weighted 1 2 1 down and across; the border is repeated."""
    padded = np.pad(ink, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16)


def _heaviest(parts: Components) -> int:
    return int((parts.masses * np.where(parts.at_edge, AT_EDGE, 1)).argmax())


def _contrast(smooth: Floats, parts: Components, number: int) -> float:
    """The contrast that the darkest tenth of a part has."""
    top, left, bottom, right = parts.boxes[number]
    return float(np.quantile(smooth[top:bottom, left:right][parts.part(number)], 0.9))


def _around(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _together(pieces: Components, main: int) -> NDArray[np.int64]:
    """The main piece and those near to it, and those near to them."""
    candidates = np.flatnonzero(pieces.areas >= SPECK * pieces.areas[main])
    chosen = np.array([main])
    while True:
        box = _around(pieces.boxes[chosen])
        near = [number for number in candidates if number not in chosen and _belongs(box, pieces.boxes[number])]
        if not near:
            return chosen
        chosen = np.concatenate([chosen, near])


def _belongs(box: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether a piece is a stroke of the digit in `box`: near to it, and no other digit beside it."""
    gap = np.maximum(box[:2] - other[2:], other[:2] - box[2:])
    shared, both = min(box[2], other[2]) - max(box[0], other[0]), max(box[2], other[2]) - min(box[0], other[0])
    beside = gap[1] > 0 and shared > TALL * both
    size = max(box[2:] - box[:2])
    return bool(gap.max() <= NEAR * size and max(other[2:] - other[:2]) <= LARGER * size and not beside)


def _others(pieces: Components, chosen: NDArray[np.int64], height: float) -> int:
    """How many pieces that were not chosen are tall enough for digits; what touches the border is none."""
    tall = (
        (pieces.boxes[:, 2] - pieces.boxes[:, 0] >= height)
        & ~pieces.at_edge
        & (pieces.masses >= ANOTHER**2 / 2 * pieces.masses[chosen].sum())
    )
    tall[chosen] = False
    return int(tall.sum())
