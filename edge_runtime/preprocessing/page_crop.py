"""Find a page, a sheet of paper on a darker table, to crop a photo to it."""

import math

import numpy as np
from numpy.typing import NDArray

from edge_runtime.preprocessing.connected_components import find_components
from edge_runtime.preprocessing.global_threshold import otsu_threshold
from edge_runtime.preprocessing.resampling import dilate, reduce

Floats = NDArray[np.float32]

CELLS = 64
"""Cells along the longer side in which the page is searched."""
MIN_AREA = 0.1
"""Minimum area of a page, as a fraction of the picture."""
MIN_FILLED = 0.75
"""Minimum fraction of its box that a page fills: paper has corners, and is hardly rotated."""
MIN_ASPECT = 0.4
"""Minimum ratio of its shorter to its longer side: a light 1 on a dark background is no page."""
MIN_EDGE_RATIO = 1.5
"""Minimum ratio of the brightness just inside its edge to that just outside."""
SAME, MAX_SAME = 3, 0.1
"""Grey levels by which paper may differ from its padding, and the fraction of the paper's border that may differ by no more."""
MIN_INSIDE, MIN_LEVELS = 0.2, 50
"""Minimum area of a padded picture without its padding, as a fraction, and minimum difference of its grey levels."""


def find_page(grey: Floats) -> tuple[int, int, int, int] | None:
    """Find a page with a table on all sides: its top, left, bottom and right, or None.

    A page is a large bright component that touches no border and has sharp edges, unlike the light of a lamp.
    """
    cell = math.ceil(max(grey.shape) / CELLS)
    cells = reduce(grey, cell)
    bright = cells > otsu_threshold(cells)
    components = find_components(bright, cells)
    if not len(components):
        return None
    largest = int(components.areas.argmax())
    top, left, bottom, right = components.boxes[largest].tolist()
    height, width, area = bottom - top, right - left, int(components.areas[largest])
    large = area >= MIN_AREA * cells.size and min(height, width) >= MIN_ASPECT * max(height, width)
    if components.at_edge[largest] or not large or area < MIN_FILLED * height * width:
        return None
    if _edge_ratio(cells, components.mask(np.array([largest]))) < MIN_EDGE_RATIO:
        return None
    # One cell less on each side, since those at the edge are partly table.
    return (top + 1) * cell, (left + 1) * cell, (bottom - 1) * cell, (right - 1) * cell


def without_padding(grey: Floats) -> Floats:
    """A picture without the frame of one grey level that it was padded with; as it is if paper of that level goes on inside."""
    level = grey[0, 0]
    rows, columns = ((grey != level).any(axis=axis) for axis in (1, 0))
    if (rows.all() and columns.all()) or not rows.any():
        return grey
    top, bottom = int(rows.argmax()), len(rows) - int(rows[::-1].argmax())
    left, right = int(columns.argmax()), len(columns) - int(columns[::-1].argmax())
    inside = grey[top:bottom, left:right]
    if inside.size < MIN_INSIDE * grey.size or np.ptp(inside) < MIN_LEVELS:  # a stroke
        return grey
    border = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    return inside if float((np.abs(border - level) <= SAME).mean()) < MAX_SAME else grey


def _edge_ratio(cells: Floats, mask: NDArray[np.bool_]) -> float:
    """The ratio of the median brightness one cell inside the edge of a mask to that one cell outside."""
    larger = dilate(mask)
    inside, outside = _erode(mask) & ~_erode(_erode(mask)), dilate(larger) & ~larger
    if not inside.any() or not outside.any():
        return 0.0
    return float(np.median(cells[inside]) / max(float(np.median(cells[outside])), 1.0))


def _erode(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~dilate(~mask)
