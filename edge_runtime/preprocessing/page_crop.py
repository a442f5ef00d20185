"""A sheet of paper on a darker table: the photo is cut to the sheet."""

import math

import numpy as np
from numpy.typing import NDArray

from edge_runtime.preprocessing.connected_components import find_components
from edge_runtime.preprocessing.resampling import enlarge, reduce

Floats = NDArray[np.float32]

CELLS = 64
"""Cells along the longer side that the sheet is looked for in."""
LEAST_AREA = 0.1
"""Share of the picture that a sheet has at least."""
LEAST_FILLED = 0.75
"""Share of its box that it fills: paper has corners, and is not turned by much."""
LEAST_ASPECT = 0.4
"""Its shorter side as a share of its longer one: a light 1 on dark ground is no sheet."""
LEAST_RATIO = 1.5
"""How much brighter it is, just inside its edge, than the table is just outside."""


def find_page(grey: Floats) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right of a sheet that has table all around it.

    Bright and dark are parted as by N. Otsu, "A threshold selection method from gray-level histograms", IEEE SMC 9 (1979). A sheet is a
    large bright part that touches no border and has sharp edges, which a lamp's light has not.
    """
    cell = math.ceil(max(grey.shape) / CELLS)
    cells = reduce(grey, cell)
    bright = cells > otsu_threshold(cells)
    parts = find_components(bright, cells)
    if not len(parts):
        return None
    largest = int(parts.areas.argmax())
    top, left, bottom, right = parts.boxes[largest].tolist()
    height, width, area = bottom - top, right - left, int(parts.areas[largest])
    large = area >= LEAST_AREA * cells.size and min(height, width) >= LEAST_ASPECT * max(height, width)
    if parts.at_edge[largest] or not large or area < LEAST_FILLED * height * width:
        return None
    if _edge_ratio(cells, parts.mask(np.array([largest]))) < LEAST_RATIO:
        return None
    # A cell less on each side: those at the edge are half table.
    return (top + 1) * cell, (left + 1) * cell, (bottom - 1) * cell, (right - 1) * cell


def otsu_threshold(values: Floats) -> float:
    """The grey level that parts values into two groups with the largest variance between them."""
    ordered = np.sort(values, axis=None).astype(np.float64)
    counts = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)
    below, above = sums[:-1] / counts, (sums[-1] - sums[:-1]) / (len(ordered) - counts)
    between = counts * (len(ordered) - counts) * (above - below) ** 2
    best = int(between.argmax()) if len(counts) else 0
    return float(ordered[best : best + 2].mean())


def _edge_ratio(cells: Floats, mask: NDArray[np.bool_]) -> float:
    """The brightness of cells a step inside the edge of a mask to that of cells a step outside."""
    larger = enlarge(mask)
    inside, outside = _shrunk(mask) & ~_shrunk(_shrunk(mask)), enlarge(larger) & ~larger
    if not inside.any() or not outside.any():
        return 0.0
    return float(np.median(cells[inside]) / max(float(np.median(cells[outside])), 1.0))


def _shrunk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~enlarge(~mask)
