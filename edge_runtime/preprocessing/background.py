"""The paper: its shade at each place, and how far each pixel differs from it. What is left is ink, lighter or darker than its ground."""

import math

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.preprocessing.connected_components import find_components
from edge_runtime.preprocessing.resampling import enlarge, reduce, resize

Floats = NDArray[np.float32]

CELLS = 64
"""Cells along the longer side that the paper's shade is looked at in."""
WINDOW = 1.0
"""Side of the first median's window, as a share of the image's shorter side: strokes have to be the smaller part of any window."""
SMALL_WINDOW = 0.2
"""The same of the second median, when strokes are gone."""
NEAR = 0.08
"""How far around a stroke the ground under it is looked for, as a share of the image's shorter side."""
AT_BORDER = 5
"""Cells whose median is the brightness at the border, from which a slope goes on."""
INKY = 0.25
"""Contrast from which on a cell counts as ink."""
STRONGEST = 0.8
"""Contrast beyond which more does not count when it is judged whether ink is light."""
COARSE = 256
"""Longer side of the reduced image in which that is judged."""
DARKEST = 12.0
"""Grey level below which a ground counts as black: contrasts are not divided by less."""


@frozen_dataclass
class Contrast:
    """How much ink is where.

    ink: float32 [H, W], the share of the ground's brightness that is missing (dark ink) or added (light ink); about 0 on bare ground.
    light: the ink is lighter than its ground.
    """

    ink: Floats
    light: bool


def estimate_background(grey: Floats) -> Floats:
    """The brightness of bare ground at each pixel, float32 [H, W]: light and shadow without the ink.

    A median over large windows of a much reduced image passes over strokes, dark or light, but blunts the corners of shadows. So the cells
    that are ink by this first ground get the mean of bare ones around them, and a median over small windows gives the second.
    J. W. Tukey, "Exploratory Data Analysis", Addison-Wesley 1977; rows first and then columns: P. M. Narendra, "A separable median filter
    for image noise smoothing", IEEE PAMI 3 (1981).
    """
    cell = math.ceil(max(grey.shape) / CELLS)
    cells = reduce(grey, cell)
    first = _median(cells, WINDOW)
    bare = ~enlarge(np.abs(_difference(cells, first)) >= INKY)
    reach = math.ceil(NEAR * min(cells.shape))
    share = _window_means(bare.astype(np.float32), reach)
    means = np.divide(_window_means(cells * bare, reach), share, out=first.copy(), where=share > 0.01)
    return resize(_median(np.where(bare, cells, means), SMALL_WINDOW), grey.shape, cell)


def estimate_contrast(grey: Floats, ground: Floats, light: bool | None = None) -> Contrast:
    """Ink as a contrast with its ground, which light and shadow leave alone. Whether it is light is looked at, if it is not known.

    Light falls on ink as on paper, so a pixel divided by its ground tells what is there (E. H. Land, J. J. McCann, "Lightness and retinex
    theory", JOSA 61 (1971)).
    """
    if light is None:
        factor = -(-max(grey.shape) // COARSE)
        light = is_light_on_dark(_inside(_difference(reduce(grey, factor), reduce(ground, factor))))
    difference = _difference(grey, ground)
    return Contrast(difference if light else -difference, light)


def is_light_on_dark(difference: Floats) -> bool:
    """Whether ink is lighter than its ground, from contrasts of either sign.

    Ink is rare and far from its ground, so it decides the sign of the third moment, to which noise of both signs adds nothing. Contrasts
    are cut off where dark ink could not go on, or a little light that is taken for ink at the edge of a shadow would outweigh dark ink.
    """
    cut = difference.clip(-STRONGEST, STRONGEST)
    return bool(np.sum(cut * cut * cut) > 0)


def spread(values: Floats) -> float:
    """The standard deviation that most of the values have: 1.4826 times the median absolute deviation, of up to some 20,000 of them.

    F. R. Hampel, "The influence curve and its role in robust estimation", JASA 69 (1974).
    """
    sample = values.ravel()[:: max(1, values.size // 20_000)]
    return float(1.4826 * median(np.abs(sample - median(sample))))


def median(values: Floats) -> np.float32:
    """The median of values that are no NaN, float32 [N], as numpy's: which looks for NaN too, and takes several times as long for that."""
    half = len(values) // 2
    parted = np.partition(values, half)
    return np.float32(parted[half] if len(values) % 2 else (parted[:half].max() + parted[half]) / 2)


def _difference(grey: Floats, ground: Floats) -> Floats:
    """By which share of the ground's brightness pixels are lighter (positive) or darker."""
    return np.asarray((grey - ground) / np.maximum(ground, DARKEST))


def _inside(difference: Floats) -> Floats:
    """Differences without those of thick things (three pixels) that hang together with the border: the table, a scanner's frame."""
    thick = ~enlarge(np.abs(difference) < INKY)
    found = find_components(thick, difference)
    return np.where(enlarge(found.mask(np.flatnonzero(found.at_edge))), np.float32(0), difference)


def _median(cells: Floats, share: float) -> Floats:
    """Medians over square windows whose side is a share of the shorter side."""
    reach = math.ceil(share * min(cells.shape)) // 2
    return _running_median(_running_median(cells, reach).T, reach).T


def _running_median(cells: Floats, reach: int) -> Floats:
    """The median of each cell and `reach` cells on both sides of it, along rows; a slope goes on beyond the border."""
    reach = min(reach, cells.shape[1] - 1)
    before = 2 * _row_medians(cells[:, :AT_BORDER]) - cells[:, reach:0:-1]
    after = 2 * _row_medians(cells[:, -AT_BORDER:]) - cells[:, -2 : -2 - reach : -1]
    rows = np.ascontiguousarray(np.concatenate([before, cells, after], axis=1))  # twice as fast as where windows lie across memory
    windows = np.lib.stride_tricks.sliding_window_view(rows, 2 * reach + 1, axis=1)
    return np.ascontiguousarray(np.partition(windows, reach, axis=-1)[..., reach])


def _row_medians(cells: Floats) -> Floats:
    """The median of each row, as a column."""
    return np.asarray(np.sort(cells, axis=1)[:, cells.shape[1] // 2, None])


def _window_means(cells: Floats, reach: int) -> Floats:
    """Means over square windows, twice, so that near cells count more; outside there is 0."""
    for _ in range(4):  # rows and columns in turn
        sums = np.cumsum(np.pad(cells, ((reach + 1, reach), (0, 0))), axis=0)
        cells = np.asarray(((sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)).T, np.float32)
    return cells
