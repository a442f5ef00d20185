"""The whole way of a photo to MNIST's form. Read `read_photo` from top to bottom: that is how the data flows."""

import dataclasses
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import SIDE, Image
from edge_runtime.preprocessing.background import estimate_background, estimate_contrast
from edge_runtime.preprocessing.grayscale import LONGEST, OPAQUE, reduction_factor, to_grayscale
from edge_runtime.preprocessing.normalization import BOX, FINE, normalize
from edge_runtime.preprocessing.page_crop import find_page
from edge_runtime.preprocessing.resampling import reduce
from edge_runtime.preprocessing.ruled_lines import remove_lines
from edge_runtime.preprocessing.segmentation import Strokes, find_digit
from edge_runtime.preprocessing.warnings import photo_warnings

Floats = NDArray[np.float32]

SHOWN = 256
"""Pixels along the longer side that steps are shown with, at most."""
COARSE = 512
"""Longer side that a photo is reduced to at first: most digits are large enough then, and all goes in a quarter of the time."""
AROUND = 1.5
"""Digits of that size that a finer picture shows on each side of a digit: its ground is found there as in the whole."""
LEAST_AROUND = 80
"""Pixels of the finer picture that it shows there at least."""
LARGE = BOX * FINE
"""Pixels of a digit's longer side from which on a finer picture of it would tell no more: they are what its form is made of."""


@frozen_dataclass
class Ink:
    """The ink of a picture, parted from its paper.

    whole: height and width of the reduced picture. grey, ground: float32 [H, W], 0 to 255. contrast: float32 [H, W], ink with everything
    else that differs from the ground; ink: the same without the paper's lines. light: the ink is lighter than its ground. place: row and
    column in the reduced picture of the upper left pixel of all these.
    """

    whole: tuple[int, int]
    grey: Floats = field(repr=False)
    ground: Floats = field(repr=False)
    contrast: Floats = field(repr=False)
    ink: Floats = field(repr=False)
    light: bool
    place: tuple[int, int]


@frozen_dataclass
class Photo(Ink):
    """A photo's digit in the pixel contract, and every step on the way to it.

    image: uint8 [28, 28]. strokes: which of the ink is the digit; None if nothing is. fine: float32, the digit alone, about 80 pixels,
    0 to 1.
    """

    image: Image
    strokes: Strokes | None = field(repr=False)
    fine: Floats = field(repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about it, in words; each begins with a word for its kind and a colon."""
        return photo_warnings(self.strokes, self.ground, self.light)

    @property
    def steps(self) -> tuple[tuple[str, NDArray[np.uint8]], ...]:
        """Pictures of the way from the photo to 28x28, each with its name: uint8 [h, w], reduced to 256 pixels at most."""
        full = self.strokes.contrast if self.strokes else max(float(self.contrast.max()), 0.1)
        height, width = self.grey.shape
        of_whole = f" of {self.whole[1]}x{self.whole[0]}" if self.grey.shape != self.whole else ""
        return (
            (f"grey, {width}x{height}{of_whole}", _shown(self.grey)),
            ("light and shadow removed", _shown(255 * self.contrast / full)),
            ("paper's lines removed", _shown(255 * self.ink / full)),
            ("ink of the digit", _shown(255 * self.ink / full * (self.strokes.mask if self.strokes else 0))),
            ("as in MNIST, 28x28", self.image),
        )


def find_ink(pixels: Any, longest: int = LONGEST) -> Ink:
    """Part the ink of a photo from its paper, light and shadow, and the paper's lines. Arguments and errors as of `to_grayscale`."""
    whole = to_grayscale(pixels, longest)
    top, left, bottom, right = find_page(whole) or (0, 0, *whole.shape)
    grey = whole[top:bottom, left:right]
    ground = estimate_background(grey)
    contrast = estimate_contrast(grey, ground)
    return Ink(
        (whole.shape[0], whole.shape[1]), grey, ground, contrast.ink, remove_lines(contrast.ink), contrast.light, (top, left)
    )


def read_photo(pixels: Any) -> Photo:
    """Find the digit of a photo and bring it into MNIST's form: in a coarse picture, and in a finer one if it is small there.

    The finer picture is of what is around the digit; of all, where nothing is seen in the coarse one.

    Args:
        pixels: as `to_grayscale` takes them: [H, W] or [H, W, channels], upright.

    Raises:
        ImageError: it is no such array.
    """
    found = find_ink(pixels, COARSE)
    strokes = find_digit(found.ink)
    if max(found.whole) == max(pixels.shape[:2]) or _large(strokes):
        return _in_form(found, strokes)
    return _closer(pixels, found, strokes) or _read(pixels, LONGEST)


def _read(pixels: Any, longest: int) -> Photo:
    found = find_ink(pixels, longest)
    return _in_form(found, find_digit(found.ink))


def _closer(pixels: NDArray[Any], coarse: Ink, seen: Strokes | None) -> Photo | None:
    """A digit that was seen in a coarse picture, in a finer picture of its surroundings alone; None where that does not do."""
    if seen is None or (pixels.ndim == 3 and pixels.shape[2] not in OPAQUE):  # what is transparent is judged by all of the picture
        return None
    around = _surroundings(pixels.shape, coarse, seen)
    step = reduction_factor(pixels.shape, LONGEST)
    place = around[0] // step, around[1] // step
    grey = to_grayscale(pixels[around[0] : around[2], around[1] : around[3]], step=step)
    ground = estimate_background(grey)
    contrast = estimate_contrast(grey, ground, coarse.light)
    height, width = (-(-side // step) for side in pixels.shape[:2])
    found = Ink((height, width), grey, ground, contrast.ink, remove_lines(contrast.ink), contrast.light, place)
    strokes = find_digit(found.ink)
    if strokes is None or strokes.cut != seen.cut:  # it goes on beyond its surroundings
        return None
    return _in_form(found, dataclasses.replace(strokes, others=seen.others))


def _surroundings(shape: tuple[int, ...], coarse: Ink, seen: Strokes) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of the pixels around a digit that tell its ground, within the sheet that it was seen on."""
    coarse_step, step = reduction_factor(shape, COARSE), reduction_factor(shape, LONGEST)
    top, left, bottom, right = (coarse_step * side for side in seen.box)
    margin = max(AROUND * max(bottom - top, right - left), LEAST_AROUND * step)
    low, high = [], []
    for start, stop, place, count, whole in zip(
        (top, left), (bottom, right), coarse.place, coarse.grey.shape, shape[:2], strict=True
    ):
        first = coarse_step * place
        low.append(max(first, first + start - int(margin)) // step * step)
        high.append(min(-(-min(first + coarse_step * count, first + stop + int(margin)) // step) * step, whole))
    return low[0], low[1], high[0], high[1]


def _in_form(found: Ink, strokes: Strokes | None) -> Photo:
    if strokes is None:
        blank = np.zeros((SIDE, SIDE), np.uint8)
        return Photo(**vars(found), image=blank, strokes=None, fine=blank.astype(np.float32))
    top, left, bottom, right = strokes.box
    image, fine = normalize(found.ink, strokes.box, strokes.mask[top:bottom, left:right])
    return Photo(**vars(found), image=image, strokes=strokes, fine=fine)


def _large(strokes: Strokes | None) -> bool:
    if strokes is None:
        return False
    top, left, bottom, right = strokes.box
    return max(bottom - top, right - left) >= LARGE


def _shown(levels: Floats) -> NDArray[np.uint8]:
    return reduce(levels.clip(0, 255), -(-max(levels.shape) // SHOWN)).astype(np.uint8)
