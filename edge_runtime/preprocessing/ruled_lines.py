"""Remove ruled lines: straight, thin, and running across the whole picture, unlike any stroke of a digit."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.preprocessing.background import robust_std
from edge_runtime.preprocessing.resampling import reduce, row_means

Floats = NDArray[np.float32]

MAX_SLOPE = 0.25
"""Maximum slope of a line, about 14 degrees."""
MIN_VISIBLE = 0.55
"""Minimum fraction of its length that must be visible."""
LONGEST = 256
"""Longer side of the reduced image in which lines are searched."""
MIN_DISTANCE = 2
"""Minimum distance between two lines, in rows of that image."""
ALONG = 4
"""Columns of that image that are averaged: this halves noise, and the steepest line falls by one row over them."""
PIECES = 16
"""Number of pieces of a line in which its contrast is estimated, since light and focus may vary along it."""
MIN_REMAINDER = 0.3
"""Ink over a line is amplified to full ink, at most by one over this."""
MIN_LENGTH = 1 / 6
"""Minimum length of a line that leaves the picture at a corner, as a fraction of the width."""
DARK = 0.35
"""Minimum contrast of a dark line, as a fraction of full ink."""
MIN_RIDGE = 0.015
"""Minimum contrast of a line with both sides, in the reduced image."""
MIN_SIZE = 128
"""Minimum longer side of a picture in which lines are searched: in smaller ones, strokes are as thin as lines."""
AT_ENDS = 0.3
"""Minimum ridge in a line's first and last piece, as a fraction of its median: a line extends beyond the picture."""
FULL_PIXELS = 20
"""Number of darkest pixels (at half size) that define full ink."""


def remove_lines(ink: Floats) -> Floats:
    """Remove horizontal and vertical lines that run across the picture from a contrast image, float32 [H, W]."""
    full = _full_ink(ink)
    if max(ink.shape) < MIN_SIZE or full <= 0:
        return ink
    for _ in range(2):
        ink = _remove_horizontal_lines(ink, full).T
    return ink


def find_lines(ink: Floats) -> tuple[Floats, Floats]:
    """Find horizontal or nearly horizontal lines: the row of each at the middle column, which may lie outside, and its slope.

    The picture has at most `LONGEST` pixels along its longer side. For each slope and row, the visible fraction of the line is the Radon
    transform of ridges, computed by adding halves of lines recursively: M. L. Brady, "A fast discrete approximation algorithm for the Radon
    transform", SIAM J. Comput. 27 (1998).
    """
    ink = row_means(ink.T, ALONG)  # averages out noise, but not a line
    height, width = ink.shape
    columns = 1 << (width - 1).bit_length()
    ridges = np.zeros((height, columns), np.uint8)
    ridges[2:-2, :width] = ink[2:-2] - np.maximum(ink[:-4], ink[4:]) > max(2 * robust_std(ink), MIN_RIDGE)
    ridges[1:-1] |= ridges[:-2] | ridges[2:]
    falling, rising = _visible_fractions(np.stack([ridges, ridges[::-1]]), width)
    fractions = np.concatenate([falling, rising[:0:-1, ::-1]])
    slopes = np.concatenate([np.arange(len(falling)), np.arange(1 - len(rising), 0)]) / (ALONG * (columns - 1))
    rows = _peaks(fractions.max(axis=0))
    best = fractions[:, rows] == fractions[:, rows].max(axis=0)
    means = (slopes @ best) / best.sum(axis=0)  # several slopes may be equally good
    return (rows - (fractions.shape[1] - height) / 2).astype(np.float32), means.astype(np.float32)


def _visible_fractions(ridges: NDArray[np.uint8], width: int) -> Floats:
    """The visible fraction of lines that fall by s rows over all columns and cross the middle column at row y: float32 [N, slopes, rows].

    Rows extend beyond the picture on both sides, since a line through a corner crosses the middle column outside.
    """
    count, height, columns = ridges.shape
    indices, lengths = _line_indices(height, columns, width)
    return np.asarray(_line_sums(ridges).reshape(count, -1).take(indices, axis=1) / np.maximum(lengths, MIN_LENGTH * width))


def _line_sums(ridges: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sums along lines that begin at row y and fall by s rows: [N, H, columns], at most 64 columns, to [N, slopes, H + 2 max_fall]."""
    count, height, columns = ridges.shape
    max_fall = _max_fall(columns)
    sums = np.zeros((count, columns, 1, height + 2 * max_fall), np.uint8)
    sums[:, :, 0, max_fall : max_fall + height] = ridges.swapaxes(1, 2)
    while sums.shape[1] > 1:
        left, right = sums[:, 0::2], sums[:, 1::2]
        slopes = min(2 * sums.shape[2], max_fall + 1)
        sums = left[:, :, np.arange(slopes) // 2]
        # The right half of a line that falls by s rows begins s // 2 rows lower, or one more if s is odd.
        length = sums.shape[3] - slopes // 2
        shifted = np.lib.stride_tricks.sliding_window_view(right, length, axis=3)
        sums[:, :, 0::2, :length] += np.diagonal(shifted, 0, 2, 3).swapaxes(2, 3)[:, :, : (slopes + 1) // 2]
        sums[:, :, 1::2, :length] += np.diagonal(shifted, 1, 2, 3).swapaxes(2, 3)[:, :, : slopes // 2]
    return sums[:, 0]


@lru_cache(maxsize=8)
def _line_indices(height: int, columns: int, width: int) -> tuple[NDArray[np.intp], Floats]:
    """For the lines of `_visible_fractions`, [slopes, rows]: flat indices into the result of `_line_sums`, and lengths in the picture.

    The picture fills the first `width` columns.
    """
    picture = np.zeros((1, height, columns), np.uint8)
    picture[..., :width] = 1
    lengths = _line_sums(picture)[0]
    max_fall = _max_fall(columns)
    slopes = np.arange(len(lengths))[:, None]
    rows = np.arange(height + 2 * (max_fall // 2)) + max_fall - max_fall // 2 - slopes * (width - 1) // (2 * (columns - 1))
    indices = slopes * lengths.shape[1] + rows
    return indices, lengths.take(indices).astype(np.float32)


def _max_fall(columns: int) -> int:
    return int(MAX_SLOPE * ALONG * columns)


def _peaks(fractions: Floats) -> NDArray[np.intp]:
    """Rows with local maxima above the minimum; of equal neighbours, the middle one."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(fractions, MIN_DISTANCE), 2 * MIN_DISTANCE + 1)
    rows = np.flatnonzero((fractions > MIN_VISIBLE) & (fractions == around.max(axis=1)))
    groups = np.split(rows, np.flatnonzero(np.diff(rows) > MIN_DISTANCE) + 1) if len(rows) else []
    return np.array([group[len(group) // 2] for group in groups], np.intp)


def _full_ink(ink: Floats) -> float:
    """The contrast of full ink, estimated from the darkest pixels."""
    values = ink[::2, ::2].ravel()
    count = min(FULL_PIXELS, values.size)
    return float(np.partition(values, -count)[-count])


def _remove_horizontal_lines(ink: Floats, full: float) -> Floats:
    factor = -(-max(ink.shape) // LONGEST)
    if min(ink.shape) < 8 * factor:
        return ink
    middles, slopes = find_lines(reduce(ink, factor))
    reach = 2 * factor + 1
    outside = 2 * reach + 1  # rows of NaN above and below the picture, for lines that leave it
    cleaned = np.full((len(ink) + 2 * outside, ink.shape[1]), np.nan, np.float32)
    cleaned[outside:-outside] = ink
    pixels = cleaned.ravel()  # the same memory
    lines = Lines((middles + 0.5) * factor - 0.5 + outside, slopes)
    lines = _refine(pixels.take(lines.band_indices(cleaned.shape, reach)), lines)
    indices = lines.band_indices(cleaned.shape, reach)
    bands = pixels.take(indices)
    medians = _medians(bands)
    ruled = _runs_across(medians)
    near = slice(factor - 1, 3 * factor + 4)  # factor + 2 rows on each side of a line
    pixels[indices[ruled, near]] = _subtract_lines(bands[ruled, near], medians[ruled, near], full)
    return cleaned[outside:-outside]


@frozen_dataclass
class Lines:
    """Straight lines. middles: the row of each at the middle column; slopes: rows per column; float [lines]."""

    middles: Floats
    slopes: Floats

    def band_indices(self, shape: tuple[int, ...], reach: int) -> NDArray[np.intp]:
        """Flat indices, in an image [H, W], of the pixels on lines and up to `reach` beside them: intp [lines, 2 * reach + 1, W].

        A line that leaves the image continues along its border.
        """
        height, width = shape
        columns = np.arange(width)
        rows = np.rint(self.middles[:, None] + self.slopes[:, None] * (columns - (width - 1) / 2)).astype(np.intp)
        centres = rows.clip(reach, height - 1 - reach) * width + columns
        return np.asarray(centres[:, None, :] + np.arange(-reach, reach + 1)[:, None] * width)


def _starts(width: int) -> NDArray[np.intp]:
    """The first columns of the 16 pieces of a line; a picture with fewer columns has fewer pieces."""
    return np.linspace(0, width, min(PIECES, width), endpoint=False).astype(np.intp)


def _medians(bands: Floats) -> Floats:
    """The medians of the pieces of each band, [lines, rows, pieces]; NaN outside the picture."""
    parts = np.split(bands, _starts(bands.shape[2])[1:], axis=2)
    return np.stack([np.sort(part, axis=2)[:, :, part.shape[2] // 2] for part in parts], axis=2)


def _nanmedian(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """As `np.nanmedian(values, axis=-1)`, which takes a tenth of a millisecond for a few rows."""
    ordered = np.sort(values, axis=-1)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    lower, upper = (np.take_along_axis(ordered, place, axis=-1)[..., 0] for place in ((count - 1).clip(0) // 2, count // 2))
    return np.asarray((lower + upper) / 2)


def _refine(bands: Floats, lines: Lines) -> Lines:
    """Fit lines to the ink in bands along them: the median slope between all pairs of pieces, then the median offset.

    Lines with fewer than three pieces in the picture are dropped.
    H. Theil, "A rank-invariant method of linear and polynomial regression analysis", Proc. KNAW 53 (1950).
    """
    medians, starts = _medians(bands), _starts(bands.shape[2])
    reach, width = bands.shape[1] // 2, bands.shape[2]
    inside = np.isfinite(medians).all(axis=1)
    long = inside.sum(axis=1) >= 3
    offsets = np.where(inside, np.nan_to_num(medians, nan=-1).argmax(axis=1) - reach, np.nan)[long]
    centres = starts + starts[-1] / (2 * max(1, len(starts) - 1)) - width / 2
    first, second = np.triu_indices(len(starts), 1)
    slope = _nanmedian((offsets[:, second] - offsets[:, first]) / (centres[second] - centres[first]))
    shift = _nanmedian(offsets - slope[:, None] * centres)
    return Lines(lines.middles[long] + shift, lines.slopes[long] + slope)


def _runs_across(medians: Floats) -> NDArray[np.bool_]:
    """Whether each line runs from border to border, bool [lines], unlike a stroke of a digit that fills the picture."""
    middle = medians.shape[1] // 2
    # Where one side of the line is outside the picture, the other side decides.
    ridges = medians[:, middle - 1 : middle + 2].max(axis=1) - np.fmax(medians[:, 0], medians[:, -1])
    ridges[np.isnan(ridges).all(axis=1)] = -1
    inside = np.isfinite(ridges)
    first, last = inside.argmax(axis=1), inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    lines = np.arange(len(ridges))
    ends = np.minimum(ridges[lines, first], ridges[lines, last])
    return np.asarray(ends >= AT_ENDS * _nanmedian(ridges))


def _subtract_lines(bands: Floats, medians: Floats, full: float) -> Floats:
    """Subtract lines from bands along them, [lines, rows, columns], keeping full ink at full ink.

    A line's contrast is the median over a piece, which ignores crossing strokes, limited to 1.3 times its typical contrast, for pieces in
    which a stroke runs along it.
    """
    typical = np.nan_to_num(_nanmedian(medians))[..., None]  # 0 for rows outside the picture
    typical = np.pad(typical, ((0, 0), (1, 1), (0, 0)), mode="edge")
    typical = np.maximum(np.maximum(typical[:, :-2], typical[:, 1:-1]), typical[:, 2:])
    lines = np.nan_to_num(medians).clip(0, np.minimum(1.3 * typical.clip(0), full))
    lines = np.repeat(lines, np.diff(_starts(bands.shape[2]), append=bands.shape[2]), axis=2)
    rest = (bands - lines) * (full / np.maximum(full - lines, MIN_REMAINDER * full))
    # A stroke that crosses a line nearly as dark as ink is invisible there, but visible on both sides.
    dark = lines > DARK * full
    return np.asarray(np.where(dark, np.fmax(rest, np.minimum(rest[:, :1], rest[:, -1:])), rest), np.float32)
