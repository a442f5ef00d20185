"""Find a page, a sheet of paper on a darker table, to crop a photo to it."""

import math

import numpy as np
from numpy.typing import NDArray

from edge_runtime.preprocessing.connected_components import find_components
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


def find_page(grey: Floats) -> tuple[int, int, int, int] | None:
    """Find a page with a table on all sides: its top, left, bottom and right, or None.

    A page is a large bright component that touches no border and has sharp edges, unlike the light of a lamp. The threshold is that of
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE SMC 9 (1979).
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


def otsu_threshold(values: Floats) -> float:
    """The grey level that splits values into two classes with the largest between-class variance."""
    ordered = np.sort(values, axis=None).astype(np.float64)
    counts = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)
    below, above = sums[:-1] / counts, (sums[-1] - sums[:-1]) / (len(ordered) - counts)
    between = counts * (len(ordered) - counts) * (above - below) ** 2
    best = int(between.argmax()) if len(counts) else 0
    return float(ordered[best : best + 2].mean())


def _edge_ratio(cells: Floats, mask: NDArray[np.bool_]) -> float:
    """The ratio of the median brightness one cell inside the edge of a mask to that one cell outside."""
    larger = dilate(mask)
    inside, outside = _erode(mask) & ~_erode(_erode(mask)), dilate(larger) & ~larger
    if not inside.any() or not outside.any():
        return 0.0
    return float(np.median(cells[inside]) / max(float(np.median(cells[outside])), 1.0))


def _erode(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~dilate(~mask)
