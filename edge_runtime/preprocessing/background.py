"""Estimate the background, paper with light and shadow, and the contrast of each pixel with it, which is ink."""

import math

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.preprocessing.connected_components import find_components
from edge_runtime.preprocessing.resampling import dilate, reduce, resize

Floats = NDArray[np.float32]

CELLS = 64
"""Cells along the longer side in which the background is estimated."""
WINDOW = 1.0
"""Window of the first median, as a fraction of the shorter side: strokes must fill less than half of any window."""
SMALL_WINDOW = 0.2
"""Window of the second median, after strokes are removed."""
NEAR = 0.08
"""Radius in which the background under a stroke is estimated, as a fraction of the shorter side."""
AT_BORDER = 5
"""Cells whose median is the brightness at the border, for extrapolation beyond it."""
INKY = 0.25
"""Minimum contrast of a cell with ink."""
MAX_CONTRAST = 0.8
"""Contrasts are clipped to this when deciding whether ink is light."""
COARSE = 256
"""Longer side of the reduced image in which that is decided."""
BLACK = 12.0
"""Minimum grey level that contrasts are divided by; darker backgrounds count as black."""


@frozen_dataclass
class Contrast:
    """The ink of an image.

    ink: float32 [H, W], how much darker (dark ink) or lighter (light ink) a pixel is than the background, as a fraction of the background;
    about 0 without ink. light: the ink is lighter than the background.
    """

    ink: Floats
    light: bool


def estimate_background(grey: Floats) -> Floats:
    """Estimate the brightness of the background at each pixel, float32 [H, W]: light and shadow without ink.

    A median over large windows of a much reduced image removes strokes, dark or light, but rounds the corners of shadows. So the cells that
    are ink by this first estimate are replaced by the mean of background cells around them, and a median over small windows gives the
    second. J. W. Tukey, "Exploratory Data Analysis", Addison-Wesley 1977; rows first and then columns: P. M. Narendra, "A separable median
    filter for image noise smoothing", IEEE PAMI 3 (1981).
    """
    cell = math.ceil(max(grey.shape) / CELLS)
    cells = reduce(grey, cell)
    first = _median(cells, WINDOW)
    bare = ~dilate(np.abs(_difference(cells, first)) >= INKY)
    reach = math.ceil(NEAR * min(cells.shape))
    share = _window_means(bare.astype(np.float32), reach)
    means = np.divide(_window_means(cells * bare, reach), share, out=first.copy(), where=share > 0.01)
    return resize(_median(np.where(bare, cells, means), SMALL_WINDOW), grey.shape, cell)


def estimate_contrast(grey: Floats, background: Floats, light: bool | None = None) -> Contrast:
    """Compute ink as the contrast with the background. With `light` None, whether ink is light is estimated.

    Light falls on ink and paper alike, so the ratio of a pixel to its background does not depend on it (E. H. Land, J. J. McCann,
    "Lightness and retinex theory", JOSA 61 (1971)).
    """
    if light is None:
        factor = -(-max(grey.shape) // COARSE)
        light = is_light_on_dark(_inside(_difference(reduce(grey, factor), reduce(background, factor))))
    difference = _difference(grey, background)
    return Contrast(difference if light else -difference, light)


def is_light_on_dark(difference: Floats) -> bool:
    """Whether ink is lighter than the background, from signed contrasts.

    Ink is rare and far from its background, so it determines the sign of the third moment, in which symmetric noise cancels. Contrasts are
    clipped to the range of dark ink, or bright pixels at the edge of a shadow would outweigh it.
    """
    clipped = difference.clip(-MAX_CONTRAST, MAX_CONTRAST)
    return bool(np.sum(clipped * clipped * clipped) > 0)


def robust_std(values: Floats) -> float:
    """A robust standard deviation: 1.4826 times the median absolute deviation, of a sample of up to some 20,000 values.

    F. R. Hampel, "The influence curve and its role in robust estimation", JASA 69 (1974).
    """
    sample = values.ravel()[:: max(1, values.size // 20_000)]
    return float(1.4826 * median(np.abs(sample - median(sample))))


def median(values: Floats) -> np.float32:
    """The median of values without NaN, float32 [N]: equal to numpy's, which is several times slower because it checks for NaN."""
    half = len(values) // 2
    parted = np.partition(values, half)
    return np.float32(parted[half] if len(values) % 2 else (parted[:half].max() + parted[half]) / 2)


def _difference(grey: Floats, background: Floats) -> Floats:
    """How much lighter (positive) or darker pixels are than the background, as a fraction of it."""
    return np.asarray((grey - background) / np.maximum(background, BLACK))


def _inside(difference: Floats) -> Floats:
    """Set differences to 0 in thick components (three pixels) at the border: the table, a scanner's frame."""
    thick = ~dilate(np.abs(difference) < INKY)
    found = find_components(thick, difference)
    return np.where(dilate(found.mask(np.flatnonzero(found.at_edge))), np.float32(0), difference)


def _median(cells: Floats, fraction: float) -> Floats:
    """Medians over square windows, whose side is this fraction of the shorter side."""
    reach = math.ceil(fraction * min(cells.shape)) // 2
    return _running_median(_running_median(cells, reach).T, reach).T


def _running_median(cells: Floats, reach: int) -> Floats:
    """The median of each cell and `reach` cells on both sides, along rows; cells are extrapolated beyond the border."""
    reach = min(reach, cells.shape[1] - 1)
    before = 2 * _row_medians(cells[:, :AT_BORDER]) - cells[:, reach:0:-1]
    after = 2 * _row_medians(cells[:, -AT_BORDER:]) - cells[:, -2 : -2 - reach : -1]
    rows = np.ascontiguousarray(np.concatenate([before, cells, after], axis=1))  # contiguous windows are twice as fast
    windows = np.lib.stride_tricks.sliding_window_view(rows, 2 * reach + 1, axis=1)
    return np.ascontiguousarray(np.partition(windows, reach, axis=-1)[..., reach])


def _row_medians(cells: Floats) -> Floats:
    """The median of each row, as a column."""
    return np.asarray(np.sort(cells, axis=1)[:, cells.shape[1] // 2, None])


def _window_means(cells: Floats, reach: int) -> Floats:
    """Means over square windows, applied twice, so that near cells weigh more; 0 outside."""
    for _ in range(4):  # rows and columns in turn
        sums = np.cumsum(np.pad(cells, ((reach + 1, reach), (0, 0))), axis=0)
        cells = np.asarray(((sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)).T, np.float32)
    return cells
