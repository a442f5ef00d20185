"""Lines printed on the paper: straight, thin, and running across the whole picture, which no stroke of a digit does."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frozen import record
from edge_runtime.photos.paper import spread
from edge_runtime.photos.resampling import reduce, row_means

Floats = NDArray[np.float32]

STEEPEST = 0.25
"""Slope of the steepest line that is looked for, about 14 degrees."""
COVERED = 0.55
"""Share of its way across the picture on which a line has to be seen."""
LONGEST = 256
"""Longer side of the reduced image in which lines are looked for."""
APART = 2
"""Rows of that image that two lines are apart at least."""
ALONG = 4
"""Pixels of that reduced image that are taken together along the way: noise is halved, and the steepest line falls by one row on them."""
PIECES = 16
"""Along each line its contrast is found anew so many times: light and focus may differ."""
LEAST_LEFT = 0.3
"""Ink over a line is stretched to full ink, but not by more than one over this."""
SHORTEST = 1 / 6
"""Share of the picture's width that a line is seen on at least, if it leaves the picture at a corner."""
DARK = 0.35
"""A line is dark from this share of full ink on."""
LEAST_RIDGE = 0.015
"""Contrast that a line has with both its sides at least, in the reduced image."""
SMALLEST = 128
"""Longer side below which no lines are looked for: strokes are as thin there as lines are elsewhere."""
AT_ENDS = 0.3
"""Share of its usual ridge that a line has at least in the first and in the last piece of its way: it goes on beyond the picture."""
FULL_PIXELS = 20
"""So many of the darkest pixels (of half the size) are full ink."""


def remove_lines(ink: Floats) -> Floats:
    """The same contrast, float32 [H, W], without lines that run across the picture, level or upright."""
    full = _full_ink(ink)
    if max(ink.shape) < SMALLEST or full <= 0:
        return ink
    for _ in range(2):
        ink = _without_level_lines(ink, full).T
    return ink


def find_lines(ink: Floats) -> tuple[Floats, Floats]:
    """Level lines, or nearly level ones: the row of each at the picture's middle column, which may lie outside, and its slope.

    For each slope and row, the share of the way across the picture on which there is a ridge: a Radon transform of ridges, computed by
    adding up halves of lines. M. L. Brady, "A fast discrete approximation algorithm for the Radon transform", SIAM J. Comput. 27 (1998).
    """
    ink = row_means(ink.T, ALONG)  # along a line all is ink and noise is not
    height, width = ink.shape
    columns = 1 << (width - 1).bit_length()
    ridges = np.zeros((height, columns), np.float32)
    ridges[2:-2, :width] = ink[2:-2] - np.maximum(ink[:-4], ink[4:]) > max(2 * spread(ink), LEAST_RIDGE)
    ridges[1:-1] = np.maximum(ridges[1:-1], np.maximum(ridges[:-2], ridges[2:]))
    falling, rising = _shares_seen(np.stack([ridges, ridges[::-1]]), width)
    shares = np.concatenate([falling, rising[:0:-1, ::-1]])
    slopes = np.concatenate([np.arange(len(falling)), np.arange(1 - len(rising), 0)]) / (ALONG * (columns - 1))
    rows = _peaks(shares.max(axis=0))
    best = shares[:, rows] == shares[:, rows].max(axis=0)
    means = (slopes @ best) / best.sum(axis=0)  # several slopes may be equally good
    return (rows - (shares.shape[1] - height) / 2).astype(np.float32), means.astype(np.float32)


def _shares_seen(ridges: Floats, width: int) -> Floats:
    """For lines that go down s rows on the way through all columns and pass the middle column at row y: float32 [N, slopes, rows].

    There are as many rows above the picture as below it: a line through a corner passes the middle column outside.
    """
    _, height, columns = ridges.shape
    share = _sums_along(ridges) / np.maximum(_lengths(height, columns, width), SHORTEST * width)
    half = np.arange(share.shape[1]) * (width - 1) // (2 * (columns - 1))
    steepest = _steepest(columns)
    rows = np.arange(height + 2 * (steepest // 2)) + steepest - steepest // 2
    return np.asarray(np.take_along_axis(share, (rows - half[:, None])[None], axis=2))


def _sums_along(ridges: Floats) -> Floats:
    """Sums along lines that begin at row y and go down s rows: [N, H, columns] to [N, slopes, H + 2 steepest]."""
    count, height, columns = ridges.shape
    steepest = _steepest(columns)
    ways = np.zeros((count, columns, 1, height + 2 * steepest), np.float32)
    ways[:, :, 0, steepest : steepest + height] = ridges.swapaxes(1, 2)
    while ways.shape[1] > 1:
        left, right = ways[:, 0::2], ways[:, 1::2]
        slopes = min(2 * ways.shape[2], steepest + 1)
        ways = left[:, :, np.arange(slopes) // 2]
        for slope in range(slopes):
            drop = (slope + 1) // 2
            ways[:, :, slope, : ways.shape[3] - drop] += right[:, :, slope // 2, drop:]
    return ways[:, 0]


@lru_cache(maxsize=8)
def _lengths(height: int, columns: int, width: int) -> Floats:
    """On how much of its way each line is in the picture, which fills the first `width` columns: [slopes, rows]."""
    picture = np.zeros((1, height, columns), np.float32)
    picture[..., :width] = 1
    return np.asarray(_sums_along(picture)[0])


def _steepest(columns: int) -> int:
    return int(STEEPEST * ALONG * columns)


def _peaks(share: Floats) -> NDArray[np.int64]:
    """Rows that are covered well enough, and best of their neighbours; of neighbours that are equally good, the middle one."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(share, APART), 2 * APART + 1)
    rows = np.flatnonzero((share > COVERED) & (share == around.max(axis=1)))
    groups = np.split(rows, np.flatnonzero(np.diff(rows) > APART) + 1) if len(rows) else []
    return np.array([group[len(group) // 2] for group in groups], np.int64)


def _full_ink(ink: Floats) -> float:
    """The contrast of full ink, from the darkest pixels."""
    values = ink[::2, ::2].ravel()
    count = min(FULL_PIXELS, values.size)
    return float(np.partition(values, -count)[-count])


def _without_level_lines(ink: Floats, full: float) -> Floats:
    factor = -(-max(ink.shape) // LONGEST)
    if min(ink.shape) < 8 * factor:
        return ink
    middles, slopes = find_lines(reduce(ink, factor))
    cleaned = np.full((len(ink) + 2, ink.shape[1]), np.nan, np.float32)  # what lies outside is read from two extra rows
    cleaned[1:-1] = ink
    pixels = cleaned.ravel()  # the same memory
    ways = Ways((middles + 0.5) * factor + 0.5, slopes)
    ways = _follow(pixels[ways.places(cleaned.shape, reach=2 * factor + 1)], ways)
    places = ways.places(cleaned.shape, reach=2 * factor + 1)
    bands = pixels[places]
    lines = _goes_through(bands)
    near = slice(factor - 1, 3 * factor + 4)  # of those rows, factor + 2 on each side of a line
    pixels[places[lines, near]] = _without_what_goes_through(bands[lines, near], full)
    return cleaned[1:-1]


@record
class Ways:
    """Where lines go: the row of each at the picture's middle column, and its slope; float [lines]."""

    middles: Floats
    slopes: Floats

    def places(self, shape: tuple[int, ...], reach: int) -> NDArray[np.int64]:
        """Where in an image [H, W], laid out row by row, the pixels on lines and beside them are: int64 [lines, 2 * reach + 1, W].

        Rows outside become the outermost.
        """
        height, width = shape
        columns = np.arange(width)
        centres = np.rint(self.middles[:, None] + self.slopes[:, None] * (columns - (width - 1) / 2)).astype(np.int64)
        rows = centres[:, None, :] + np.arange(-reach, reach + 1)[:, None]
        np.clip(rows, 0, height - 1, out=rows)
        rows *= width
        rows += columns
        return rows


def _medians(bands: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The medians of 16 pieces of each way, [lines, rows, pieces], NaN where one leaves the picture; and where the pieces start."""
    starts = np.linspace(0, bands.shape[2], min(PIECES, bands.shape[2]), endpoint=False).astype(int)
    parts = np.split(bands, starts[1:], axis=2)
    return np.stack([np.sort(part, axis=2)[:, :, part.shape[2] // 2] for part in parts], axis=2), starts


def _follow(bands: Floats, ways: Ways) -> Ways:
    """Lines brought to where the ink is in bands along them: the median slope between any two pieces, and the median of what is left.

    Lines with fewer than three pieces in the picture are left out.
    H. Theil, "A rank-invariant method of linear and polynomial regression analysis", Proc. KNAW 53 (1950).
    """
    medians, starts = _medians(bands)
    reach, width = bands.shape[1] // 2, bands.shape[2]
    inside = np.isfinite(medians).all(axis=1)
    long = inside.sum(axis=1) >= 3
    offsets = np.where(inside, np.nan_to_num(medians, nan=-1).argmax(axis=1) - reach, np.nan)[long]
    places = starts + starts[-1] / (2 * max(1, len(starts) - 1)) - width / 2
    first, second = np.triu_indices(len(starts), 1)
    turn = np.nanmedian((offsets[:, second] - offsets[:, first]) / (places[second] - places[first]), axis=1)
    shift = np.nanmedian(offsets - turn[:, None] * places, axis=1)
    return Ways(ways.middles[long] + shift, ways.slopes[long] + turn)


def _goes_through(bands: Floats) -> NDArray[np.bool_]:
    """Whether each line is there from border to border, bool [lines]: a stroke of a digit that fills the picture is not."""
    middle = bands.shape[1] // 2
    medians, _ = _medians(bands[:, [0, middle - 1, middle, middle + 1, -1]])
    # Where one side of the line is outside, the other one tells; where all of it is outside, nothing does.
    ridges = medians[:, 1:4].max(axis=1) - np.fmax(medians[:, 0], medians[:, 4])
    ridges[np.isnan(ridges).all(axis=1)] = -1
    inside = np.isfinite(ridges)
    first, last = inside.argmax(axis=1), inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    lines = np.arange(len(ridges))
    ends = np.minimum(ridges[lines, first], ridges[lines, last])
    return np.asarray(ends >= AT_ENDS * np.nanmedian(ridges, axis=1))


def _without_what_goes_through(bands: Floats, full: float) -> Floats:
    """Bands along lines, [lines, rows, columns], without what is there all along; what is as dark as full ink stays so.

    The line's own contrast is the median over a piece of the way, so that strokes that cross it do not count, and at most a little more
    than the line has on most pieces, where a stroke runs along it.
    """
    medians, starts = _medians(bands)
    medians[np.isnan(medians).all(axis=2)] = 0  # rows that are outside all the way
    usual = np.nanmedian(medians, axis=2, keepdims=True)
    usual = np.pad(usual, ((0, 0), (1, 1), (0, 0)), mode="edge")
    usual = np.maximum(np.maximum(usual[:, :-2], usual[:, 1:-1]), usual[:, 2:])
    lines = np.nan_to_num(medians).clip(0, np.minimum(1.3 * usual.clip(0), full))
    lines = np.repeat(lines, np.diff(starts, append=bands.shape[2]), axis=2)
    left = (bands - lines) * (full / np.maximum(full - lines, LEAST_LEFT * full))
    # Where a line is nearly as dark as ink, what crosses it cannot be told from it, but is seen on both sides.
    dark = lines > DARK * full
    return np.asarray(np.where(dark, np.fmax(left, np.minimum(left[:, :1], left[:, -1:])), left), np.float32)
