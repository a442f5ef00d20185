"""Segment the digit's strokes from specks and other marks on the page."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.preprocessing.background import robust_std
from edge_runtime.preprocessing.connected_components import Components, find_components
from edge_runtime.preprocessing.resampling import smooth

Floats = NDArray[np.float32]

MIN_CONTRAST = 0.06
"""Minimum contrast of ink."""
OVER_NOISE = 5.0
"""Minimum contrast of ink, in standard deviations of the noise."""
STROKE = 0.3
"""Threshold for the outline of strokes, as a fraction of the digit's contrast."""
NEAR = 0.15
"""Maximum gap between strokes of one digit, as a fraction of its size."""
TALL = 0.75
"""Components side by side with a larger vertical overlap, as a fraction of their joint height, are two digits, however near."""
LARGER = 1.5
"""Maximum size of another stroke, in sizes of the digit; larger components are frames or edges of a table."""
SPECK = 0.01
"""Minimum area of a stroke, as a fraction of the largest one's."""
ANOTHER = 0.5
"""Minimum height of another digit, as a fraction of the digit's."""
AT_EDGE = 0.01
"""Weight of ink that touches the border: it may be the table, a shadow or a scanner's frame."""


@frozen_dataclass
class Strokes:
    """The strokes of a digit.

    box: top, left, bottom, right, the latter two exclusive. mask: bool [H, W]. contrast: of its ink with the background. others: number of
    other components that may be digits. cut: it touches the border of the picture.
    """

    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]
    contrast: float
    others: int
    cut: bool


def find_digit(ink: Floats) -> Strokes | None:
    """Find the strokes of the digit with the most ink; None if nothing stands out from the noise.

    Args:
        ink: float32 [H, W], contrast with the background.
    """
    found = find_strokes(ink)
    if found is None:
        return None
    components, contrast = found
    chosen = _group(components, _heaviest(components))
    top, _, bottom, _ = _bounding_box(components.boxes[chosen]).tolist()
    return strokes_of(components, chosen, contrast, _count_others(components, chosen, ANOTHER * (bottom - top)))


def strokes_of(components: Components, chosen: NDArray[np.int64], contrast: float, others: int) -> Strokes:
    """The chosen components as the strokes of one digit."""
    boxes = components.boxes[chosen]
    top, left, bottom, right = _bounding_box(boxes).tolist()
    return Strokes((top, left, bottom, right), components.mask(chosen), contrast, others, bool(components.at_edge[chosen].any()))


def find_strokes(ink: Floats) -> tuple[Components, float] | None:
    """Find the components of ink that stand out from the noise, and the contrast of the heaviest; None if nothing does.

    Two thresholds, a low one to find ink and a higher one for its outline: J. Canny, IEEE PAMI 8 (1986).
    """
    smoothed = smooth(ink)
    threshold = max(OVER_NOISE * robust_std(smoothed), MIN_CONTRAST)
    components = find_components(smoothed > threshold, (smoothed - threshold) ** 2)
    if not len(components):
        return None
    contrast = _contrast(smoothed, components, _heaviest(components))
    return find_components(smoothed > max(threshold, STROKE * contrast), smoothed), contrast


def _heaviest(components: Components) -> int:
    return int((components.masses * np.where(components.at_edge, AT_EDGE, 1)).argmax())


def _contrast(smoothed: Floats, components: Components, number: int) -> float:
    """The contrast of the darkest tenth of a component."""
    top, left, bottom, right = components.boxes[number]
    return float(np.quantile(smoothed[top:bottom, left:right][components.part(number)], 0.9))


def _bounding_box(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _group(components: Components, main: int) -> NDArray[np.int64]:
    """The main component, those near it, those near them, and so on."""
    candidates = np.flatnonzero(components.areas >= SPECK * components.areas[main])
    chosen = np.array([main])
    while True:
        box = _bounding_box(components.boxes[chosen])
        near = [number for number in candidates if number not in chosen and _belongs(box, components.boxes[number])]
        if not near:
            return chosen
        chosen = np.concatenate([chosen, near])


def _belongs(box: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether a component is a stroke of the digit in `box`: near it, and not another digit beside it."""
    gap = np.maximum(box[:2] - other[2:], other[:2] - box[2:])
    shared, both = min(box[2], other[2]) - max(box[0], other[0]), max(box[2], other[2]) - min(box[0], other[0])
    beside = gap[1] > 0 and shared > TALL * both
    size = max(box[2:] - box[:2])
    return bool(gap.max() <= NEAR * size and max(other[2:] - other[:2]) <= LARGER * size and not beside)


def _count_others(components: Components, chosen: NDArray[np.int64], height: float) -> int:
    """The number of other components that are tall and heavy enough for digits, and do not touch the border."""
    tall = (
        (components.boxes[:, 2] - components.boxes[:, 0] >= height)
        & ~components.at_edge
        & (components.masses >= ANOTHER**2 / 2 * components.masses[chosen].sum())
    )
    tall[chosen] = False
    return int(tall.sum())
