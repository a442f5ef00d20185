"""Lines printed on the paper: straight, thin, and running across the whole picture, which no stroke of a digit does."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.preprocessing.background import spread
from edge_runtime.preprocessing.resampling import reduce, row_means

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

    In a picture of at most `LONGEST` pixels along its longer side. For each slope and row, the share of the way across the picture on which
    there is a ridge: a Radon transform of ridges, computed by adding up halves of lines. M. L. Brady, "A fast discrete approximation
    algorithm for the Radon transform", SIAM J. Comput. 27 (1998).
    """
    ink = row_means(ink.T, ALONG)  # along a line all is ink and noise is not
    height, width = ink.shape
    columns = 1 << (width - 1).bit_length()
    ridges = np.zeros((height, columns), np.uint8)
    ridges[2:-2, :width] = ink[2:-2] - np.maximum(ink[:-4], ink[4:]) > max(2 * spread(ink), LEAST_RIDGE)
    ridges[1:-1] |= ridges[:-2] | ridges[2:]
    falling, rising = _shares_seen(np.stack([ridges, ridges[::-1]]), width)
    shares = np.concatenate([falling, rising[:0:-1, ::-1]])
    slopes = np.concatenate([np.arange(len(falling)), np.arange(1 - len(rising), 0)]) / (ALONG * (columns - 1))
    rows = _peaks(shares.max(axis=0))
    best = shares[:, rows] == shares[:, rows].max(axis=0)
    means = (slopes @ best) / best.sum(axis=0)  # several slopes may be equally good
    return (rows - (shares.shape[1] - height) / 2).astype(np.float32), means.astype(np.float32)


def _shares_seen(ridges: NDArray[np.uint8], width: int) -> Floats:
    """For lines that go down s rows on the way through all columns and pass the middle column at row y: float32 [N, slopes, rows].

    There are as many rows above the picture as below it: a line through a corner passes the middle column outside.
    """
    count, height, columns = ridges.shape
    places, lengths = _lines(height, columns, width)
    return np.asarray(_sums_along(ridges).reshape(count, -1).take(places, axis=1) / np.maximum(lengths, SHORTEST * width))


def _sums_along(ridges: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sums along lines that begin at row y and go down s rows: [N, H, columns], 64 columns at most, to [N, slopes, H + 2 steepest]."""
    count, height, columns = ridges.shape
    steepest = _steepest(columns)
    ways = np.zeros((count, columns, 1, height + 2 * steepest), np.uint8)
    ways[:, :, 0, steepest : steepest + height] = ridges.swapaxes(1, 2)
    while ways.shape[1] > 1:
        left, right = ways[:, 0::2], ways[:, 1::2]
        slopes = min(2 * ways.shape[2], steepest + 1)
        ways = left[:, :, np.arange(slopes) // 2]
        # A line of slope s is at half of its way s // 2 rows down, or one more: row k of the right halves is added k, or k + 1, further up.
        length = ways.shape[3] - slopes // 2
        shifted = np.lib.stride_tricks.sliding_window_view(right, length, axis=3)
        ways[:, :, 0::2, :length] += np.diagonal(shifted, 0, 2, 3).swapaxes(2, 3)[:, :, : (slopes + 1) // 2]
        ways[:, :, 1::2, :length] += np.diagonal(shifted, 1, 2, 3).swapaxes(2, 3)[:, :, : slopes // 2]
    return ways[:, 0]


@lru_cache(maxsize=8)
def _lines(height: int, columns: int, width: int) -> tuple[NDArray[np.intp], Floats]:
    """The lines of `_shares_seen`, [slopes, rows]: where they are among those of `_sums_along`, and how long they are in the picture.

    The picture fills the first `width` columns.
    """
    picture = np.zeros((1, height, columns), np.uint8)
    picture[..., :width] = 1
    lengths = _sums_along(picture)[0]
    steepest = _steepest(columns)
    slopes = np.arange(len(lengths))[:, None]
    rows = np.arange(height + 2 * (steepest // 2)) + steepest - steepest // 2 - slopes * (width - 1) // (2 * (columns - 1))
    places = slopes * lengths.shape[1] + rows
    return places, lengths.take(places).astype(np.float32)


def _steepest(columns: int) -> int:
    return int(STEEPEST * ALONG * columns)


def _peaks(share: Floats) -> NDArray[np.intp]:
    """Rows that are covered well enough, and best of their neighbours; of neighbours that are equally good, the middle one."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(share, APART), 2 * APART + 1)
    rows = np.flatnonzero((share > COVERED) & (share == around.max(axis=1)))
    groups = np.split(rows, np.flatnonzero(np.diff(rows) > APART) + 1) if len(rows) else []
    return np.array([group[len(group) // 2] for group in groups], np.intp)


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
    reach = 2 * factor + 1
    outside = 2 * reach + 1  # rows of NaN above the picture and below it: what a way sees that leaves it
    cleaned = np.full((len(ink) + 2 * outside, ink.shape[1]), np.nan, np.float32)
    cleaned[outside:-outside] = ink
    pixels = cleaned.ravel()  # the same memory
    ways = Ways((middles + 0.5) * factor - 0.5 + outside, slopes)
    ways = _follow(pixels.take(ways.places(cleaned.shape, reach)), ways)
    places = ways.places(cleaned.shape, reach)
    bands = pixels.take(places)
    medians = _medians(bands)
    lines = _goes_through(medians)
    near = slice(factor - 1, 3 * factor + 4)  # of those rows, factor + 2 on each side of a line
    pixels[places[lines, near]] = _without_what_goes_through(bands[lines, near], medians[lines, near], full)
    return cleaned[outside:-outside]


@frozen_dataclass
class Ways:
    """Where lines go: the row of each at the picture's middle column, and its slope; float [lines]."""

    middles: Floats
    slopes: Floats

    def places(self, shape: tuple[int, ...], reach: int) -> NDArray[np.intp]:
        """Where in an image [H, W], laid out row by row, the pixels on lines and beside them are: intp [lines, 2 * reach + 1, W].

        A line that leaves the image goes on along its border.
        """
        height, width = shape
        columns = np.arange(width)
        rows = np.rint(self.middles[:, None] + self.slopes[:, None] * (columns - (width - 1) / 2)).astype(np.intp)
        centres = rows.clip(reach, height - 1 - reach) * width + columns
        return np.asarray(centres[:, None, :] + np.arange(-reach, reach + 1)[:, None] * width)


def _starts(width: int) -> NDArray[np.intp]:
    """Where the 16 pieces of a way start; there are fewer in a picture of fewer columns."""
    return np.linspace(0, width, min(PIECES, width), endpoint=False).astype(np.intp)


def _medians(bands: Floats) -> Floats:
    """The medians of the pieces of each way, [lines, rows, pieces], NaN where one leaves the picture."""
    parts = np.split(bands, _starts(bands.shape[2])[1:], axis=2)
    return np.stack([np.sort(part, axis=2)[:, :, part.shape[2] // 2] for part in parts], axis=2)


def _known_medians(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """The median of each row, [..., columns] to [...], of what is no NaN; NaN where all is.

    What numpy's nanmedian gives, without the tenth of a millisecond that it takes for a few rows.
    """
    ordered = np.sort(values, axis=-1)  # NaN comes last
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    lower, upper = (np.take_along_axis(ordered, place, axis=-1)[..., 0] for place in ((count - 1).clip(0) // 2, count // 2))
    return np.asarray((lower + upper) / 2)


def _follow(bands: Floats, ways: Ways) -> Ways:
    """Lines brought to where the ink is in bands along them: the median slope between any two pieces, and the median of what is left.

    Lines with fewer than three pieces in the picture are left out.
    H. Theil, "A rank-invariant method of linear and polynomial regression analysis", Proc. KNAW 53 (1950).
    """
    medians, starts = _medians(bands), _starts(bands.shape[2])
    reach, width = bands.shape[1] // 2, bands.shape[2]
    inside = np.isfinite(medians).all(axis=1)
    long = inside.sum(axis=1) >= 3
    offsets = np.where(inside, np.nan_to_num(medians, nan=-1).argmax(axis=1) - reach, np.nan)[long]
    places = starts + starts[-1] / (2 * max(1, len(starts) - 1)) - width / 2
    first, second = np.triu_indices(len(starts), 1)
    turn = _known_medians((offsets[:, second] - offsets[:, first]) / (places[second] - places[first]))
    shift = _known_medians(offsets - turn[:, None] * places)
    return Ways(ways.middles[long] + shift, ways.slopes[long] + turn)


def _goes_through(medians: Floats) -> NDArray[np.bool_]:
    """Whether each line is there from border to border, bool [lines]: a stroke of a digit that fills the picture is not."""
    middle = medians.shape[1] // 2
    # Where one side of the line is outside, the other one tells; where all of it is outside, nothing does.
    ridges = medians[:, middle - 1 : middle + 2].max(axis=1) - np.fmax(medians[:, 0], medians[:, -1])
    ridges[np.isnan(ridges).all(axis=1)] = -1
    inside = np.isfinite(ridges)
    first, last = inside.argmax(axis=1), inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    lines = np.arange(len(ridges))
    ends = np.minimum(ridges[lines, first], ridges[lines, last])
    return np.asarray(ends >= AT_ENDS * _known_medians(ridges))


def _without_what_goes_through(bands: Floats, medians: Floats, full: float) -> Floats:
    """Bands along lines, [lines, rows, columns], without what is there all along; what is as dark as full ink stays so.

    The line's own contrast is the median over a piece of the way, so that strokes that cross it do not count, and at most a little more
    than the line has on most pieces, where a stroke runs along it.
    """
    usual = np.nan_to_num(_known_medians(medians))[..., None]  # 0 for rows that are outside all the way
    usual = np.pad(usual, ((0, 0), (1, 1), (0, 0)), mode="edge")
    usual = np.maximum(np.maximum(usual[:, :-2], usual[:, 1:-1]), usual[:, 2:])
    lines = np.nan_to_num(medians).clip(0, np.minimum(1.3 * usual.clip(0), full))
    lines = np.repeat(lines, np.diff(_starts(bands.shape[2]), append=bands.shape[2]), axis=2)
    left = (bands - lines) * (full / np.maximum(full - lines, LEAST_LEFT * full))
    # Where a line is nearly as dark as ink, what crosses it cannot be told from it, but is seen on both sides.
    dark = lines > DARK * full
    return np.asarray(np.where(dark, np.fmax(left, np.minimum(left[:, :1], left[:, -1:])), left), np.float32)
