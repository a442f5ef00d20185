"""Strokes to MNIST's form: their width and grey levels, 20x20 pixels keeping proportions, the centre of mass in the middle of 28x28.

The form is described in Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE
86 (1998), section III.A; what it does not say (where the middle is, how wide strokes are) is measured on MNIST's training images.
"""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import INK, SIDE, Image
from edge_runtime.preprocessing.resampling import enlarge, weights

Floats = NDArray[np.float32]

BOX = 20
"""Pixels along the longer side of a digit's box."""
FINE = 4
"""Pixels of the fine image to one of those."""
MIDDLE = 14
"""Row and column, from 0, that MNIST has centres of mass on: 14.0 on the mean of the training images, none further off than 0.5."""
WIDTHS = (1.65, 3.6)
"""Stroke widths, in pixels of 28x28, that nine of ten training images of MNIST lie between."""
STEEPNESS = 1.5
"""How much steeper the edges of strokes become."""
MARGIN = 2


def crop(ink: Floats, box: tuple[int, int, int, int], mask: NDArray[np.bool_]) -> Floats:
    """The strokes alone, float32: 0 = paper, 1 = full ink; 80 pixels along the longer side of their box, and a margin.

    Args:
        ink: float32 [H, W], contrast with the ground.
        box: top, left, bottom and right of what to cut out.
        mask: bool, of the box: which of it to cut out.
    """
    top, left, bottom, right = box
    own = enlarge(enlarge(np.pad(mask, 2 * MARGIN)))[MARGIN:-MARGIN, MARGIN:-MARGIN]
    crop = np.pad(ink, MARGIN)[top : bottom + 2 * MARGIN, left : right + 2 * MARGIN] * own
    step = max(bottom - top, right - left) / (BOX * FINE)
    down, across = (weights(int(count / step) + 1, (step - 1) / 2, step, count) for count in crop.shape)
    fine: Floats = np.asarray(down @ crop @ across.T, np.float32)
    return steepen(fine / _full(fine))


def normalize(ink: Floats, box: tuple[int, int, int, int], mask: NDArray[np.bool_]) -> tuple[Image, Floats]:
    """The strokes in MNIST's form, uint8 [28, 28], and as they were before they were made so small. Arguments as of `crop`."""
    fine = normalize_stroke_width(crop(ink, box, mask))
    return centre(fit(fine)), fine


def steepen(fine: Floats) -> Floats:
    """Steeper edges, where half of full ink stays what it is: MNIST's strokes are full nearly up to their edges."""
    return np.asarray(((fine - 0.5) * STEEPNESS + 0.5).clip(0, 1))


def stroke_width(ink: Floats) -> float:
    """The mean width of strokes in pixels, 0 without any: twice their area, divided by the length of their edge.

    The length of the edge is the total variation of the image (the coarea formula: W. H. Fleming, R. Rishel, Archiv der Mathematik 11
    (1960)), so it does not matter how soft the edges are.

    Args:
        ink: float32 [H, W], 0 = paper, 1 = full ink.
    """
    padded = np.pad(ink, 1)
    edge = float(np.hypot(np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]).sum())
    return 2 * float(ink.sum()) / edge if edge else 0.0


def normalize_stroke_width(fine: Floats) -> Floats:
    """Strokes as wide as most of MNIST's will be when the box has 20 pixels; those that will be are left as they are."""
    width, longest = stroke_width(fine), max(_box(fine).shape)
    wanted = np.clip(width * BOX / longest, *WIDTHS)
    # Both the strokes and the box grow by twice the amount: (width + 2 amount) BOX / (longest + 2 amount) = wanted
    return thicken(fine, (wanted * longest - BOX * width) / (2 * (BOX - wanted)))


def thicken(fine: Floats, amount: float) -> Floats:
    """Strokes with each edge `amount` pixels further out, or further in if it is negative; the image grows as they do.

    Greyscale dilation and erosion by octagons: J. Serra, "Image analysis and mathematical morphology", Academic Press 1982. What is left of
    a pixel is done in part.
    """
    whole, rest = divmod(abs(amount), 1)
    extreme = np.maximum if amount > 0 else np.minimum
    image = np.pad(fine, int(whole) + 1)
    for number in range(int(whole)):
        image = _step(image, extreme, corners=number % 2 == 1)
    return np.asarray(image + np.float32(rest) * (_step(image, extreme, corners=whole % 2 == 1) - image))


def fit(fine: Floats) -> Floats:
    """The box of the ink in 20 pixels, keeping proportions: float32 [20, n] or [n, 20], n from 1 to 20."""
    box = _box(fine)
    step = max(box.shape) / BOX
    sides = [max(1, round(count / step)) for count in box.shape]
    down, across = (
        weights(side, (count - 1 - (side - 1) * step) / 2, step, count) for side, count in zip(sides, box.shape, strict=True)
    )
    return np.asarray(down @ box @ across.T, np.float32)


def centre(small: Floats) -> Image:
    """Up to 20x20 pixels of 0 to 1 in 28x28, uint8, moved by whole pixels: the centre of mass as near to (14, 14) as can be."""
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
    """What full ink is: the median of all that is at least half of the darkest."""
    darkest = float(fine.max())
    return float(np.median(fine[fine >= darkest / 2])) if darkest > 0 else 1.0


def _box(fine: Floats) -> Floats:
    """The part of the image that its ink fills, of what is at least half of full ink; all of it if nothing is."""
    solid = fine >= 0.5
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return fine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else fine


def _step(image: Floats, extreme: np.ufunc, *, corners: bool) -> Floats:
    """Each pixel's extreme with those beside, above and below it, and with `corners` those at its corners too."""
    padded = np.pad(image, 1, mode="edge")
    rows = extreme(extreme(padded[:-2], padded[1:-1]), padded[2:])
    if not corners:
        return np.asarray(extreme(extreme(rows[:, 1:-1], padded[1:-1, :-2]), padded[1:-1, 2:]))
    return np.asarray(extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]))
