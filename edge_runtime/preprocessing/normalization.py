"""Normalise strokes to MNIST's form: stroke width, grey levels, a box of 20x20 pixels, and the centre of mass at the centre of 28x28.

The form is described in Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE
86 (1998), section III.A. The centre's exact position and the stroke widths were measured on MNIST's training images.
"""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import INK, SIDE, Image
from edge_runtime.preprocessing.resampling import dilate, weights

Floats = NDArray[np.float32]

BOX = 20
"""Longer side of a digit's box, in pixels."""
FINE = 4
"""Resolution of the fine image, in pixels per final pixel."""
MIDDLE = 14
"""Row and column, from 0, of MNIST's centres of mass: 14.0 on average over the training images, within 0.5 for each."""
WIDTHS = (1.65, 3.6)
"""Range of stroke widths of nine in ten training images of MNIST, in pixels of 28x28."""
STEEPNESS = 1.5
"""Factor by which the edges of strokes are sharpened."""
MARGIN = 2


def crop(ink: Floats, box: tuple[int, int, int, int], mask: NDArray[np.bool_], width: float = 1.0) -> Floats:
    """Crop the strokes, float32: 0 = paper, 1 = full ink; 80 pixels along the longer side of their box, with a margin.

    Args:
        ink: float32 [H, W], contrast with the background.
        box: top, left, bottom, right of the strokes.
        mask: bool, of the box: which pixels are strokes.
        width: factor that widens the strokes' box, or narrows it below 1.
    """
    top, left, bottom, right = box
    own = dilate(dilate(np.pad(mask, 2 * MARGIN)))[MARGIN:-MARGIN, MARGIN:-MARGIN]
    crop = np.pad(ink, MARGIN)[top : bottom + 2 * MARGIN, left : right + 2 * MARGIN] * own
    step = max(bottom - top, right - left) / (BOX * FINE)
    down, across = (
        weights(int(count / pixels) + 1, (pixels - 1) / 2, pixels, count)
        for count, pixels in zip(crop.shape, (step, step / width), strict=True)
    )
    fine: Floats = np.asarray(down @ crop @ across.T, np.float32)
    return steepen(fine / _full(fine))


def normalize(ink: Floats, box: tuple[int, int, int, int], mask: NDArray[np.bool_], width: float = 1.0) -> tuple[Image, Floats]:
    """Normalise strokes to MNIST's form. Arguments as of `crop`.

    Returns:
        uint8 [28, 28], and the fine image before it was reduced, float32.
    """
    fine = normalize_stroke_width(crop(ink, box, mask, width))
    return centre(fit(fine)), fine


def steepen(fine: Floats) -> Floats:
    """Sharpen edges around half of full ink: MNIST's strokes have full ink nearly up to their edges."""
    return np.asarray(((fine - 0.5) * STEEPNESS + 0.5).clip(0, 1))


def stroke_width(ink: Floats) -> float:
    """The mean stroke width in pixels, 0 without strokes: twice their area, divided by the length of their edge.

    The length of the edge is the total variation of the image (the coarea formula: W. H. Fleming, R. Rishel, Archiv der Mathematik 11
    (1960)), which does not depend on the softness of edges.

    Args:
        ink: float32 [H, W], 0 = paper, 1 = full ink.
    """
    padded = np.pad(ink, 1)
    edge = float(np.hypot(np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]).sum())
    return 2 * float(ink.sum()) / edge if edge else 0.0


def normalize_stroke_width(fine: Floats) -> Floats:
    """Change the stroke width to the range of MNIST's, at a box of 20 pixels; strokes within the range stay unchanged."""
    width, longest = stroke_width(fine), max(_box(fine).shape)
    wanted = np.clip(width * BOX / longest, *WIDTHS)
    # Both the strokes and the box grow by twice the amount: (width + 2 amount) BOX / (longest + 2 amount) = wanted
    return thicken(fine, (wanted * longest - BOX * width) / (2 * (BOX - wanted)))


def thicken(fine: Floats, amount: float) -> Floats:
    """Move each edge of the strokes out by `amount` pixels, or in if it is negative; the image grows with them.

    Greyscale dilation and erosion by octagons: J. Serra, "Image analysis and mathematical morphology", Academic Press 1982. A fraction of a
    pixel is interpolated.
    """
    whole, rest = divmod(abs(amount), 1)
    extreme = np.maximum if amount > 0 else np.minimum
    image = np.pad(fine, int(whole) + 1)
    for number in range(int(whole)):
        image = _step(image, extreme, corners=number % 2 == 1)
    return np.asarray(image + np.float32(rest) * (_step(image, extreme, corners=whole % 2 == 1) - image))


def fit(fine: Floats) -> Floats:
    """Scale the box of the ink to 20 pixels, keeping the aspect ratio: float32 [20, n] or [n, 20], n from 1 to 20."""
    box = _box(fine)
    step = max(box.shape) / BOX
    sides = [max(1, round(count / step)) for count in box.shape]
    down, across = (
        weights(side, (count - 1 - (side - 1) * step) / 2, step, count) for side, count in zip(sides, box.shape, strict=True)
    )
    return np.asarray(down @ box @ across.T, np.float32)


def centre(small: Floats) -> Image:
    """Place up to 20x20 pixels from 0 to 1 in 28x28, uint8, shifted by whole pixels: centre of mass as near (14, 14) as possible."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    total = float(small.sum())
    if total:
        middles = [float(small.sum(axis=1 - axis) @ np.arange(small.shape[axis])) / total for axis in (0, 1)]
        top, left = (
            int(np.clip(round(MIDDLE - middle), 0, SIDE - side)) for middle, side in zip(middles, small.shape, strict=True)
        )
        image[top : top + small.shape[0], left : left + small.shape[1]] = np.rint(small * INK).clip(0, INK)
    return image


def _full(fine: Floats) -> float:
    """The value of full ink: the median of all pixels of at least half the maximum."""
    darkest = float(fine.max())
    return float(np.median(fine[fine >= darkest / 2])) if darkest > 0 else 1.0


def _box(fine: Floats) -> Floats:
    """The bounding box of pixels of at least half of full ink; the whole image if there are none."""
    solid = fine >= 0.5
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return fine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else fine


def _step(image: Floats, extreme: np.ufunc, *, corners: bool) -> Floats:
    """Replace each pixel by the extreme of its 4-neighbourhood, or with `corners` of its 8-neighbourhood."""
    padded = np.pad(image, 1, mode="edge")
    rows = extreme(extreme(padded[:-2], padded[1:-1]), padded[2:])
    if not corners:
        return np.asarray(extreme(extreme(rows[:, 1:-1], padded[1:-1, :-2]), padded[1:-1, 2:]))
    return np.asarray(extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]))
