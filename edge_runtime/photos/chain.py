"""The whole way of a photo to MNIST's form. Read `read_photo` from top to bottom: that is how the data flows."""

from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frozen import record
from edge_runtime.photos.digits import Strokes, find_digit
from edge_runtime.photos.form import BOX, FINE, in_form
from edge_runtime.photos.grey import LONGEST, grey_of
from edge_runtime.photos.lines import remove_lines
from edge_runtime.photos.paper import contrast_of, ground_of
from edge_runtime.photos.resampling import reduce
from edge_runtime.photos.sheet import find_sheet
from edge_runtime.photos.warnings import warnings_of
from edge_runtime.pixels import SIDE, Image

Floats = NDArray[np.float32]

SHOWN = 256
"""Pixels along the longer side that steps are shown with, at most."""
COARSE = 512
"""Longer side that a photo is reduced to at first: most digits are large enough then, and all goes in a quarter of the time."""
LARGE = BOX * FINE
"""Pixels of a digit's longer side from which on a finer picture of it would tell no more: they are what its form is made of."""


@record
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


@record
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
        return warnings_of(self.strokes, self.ground, self.light)

    @property
    def steps(self) -> tuple[tuple[str, NDArray[np.uint8]], ...]:
        """Pictures of the way from the photo to 28x28, each with its name: uint8 [h, w], reduced to 256 pixels at most."""
        full = self.strokes.contrast if self.strokes else max(float(self.contrast.max()), 0.1)
        height, width = self.grey.shape
        return (
            (f"grey, {width}x{height}", _shown(self.grey)),
            ("light and shadow removed", _shown(255 * self.contrast / full)),
            ("paper's lines removed", _shown(255 * self.ink / full)),
            ("ink of the digit", _shown(255 * self.ink / full * (self.strokes.mask if self.strokes else 0))),
            ("as in MNIST, 28x28", self.image),
        )


def find_ink(pixels: Any, longest: int = LONGEST) -> Ink:
    """Part the ink of a photo from its paper, light and shadow, and the paper's lines. Arguments and errors as of `grey_of`."""
    whole = grey_of(pixels, longest)
    top, left, bottom, right = find_sheet(whole) or (0, 0, *whole.shape)
    grey = whole[top:bottom, left:right]
    ground = ground_of(grey)
    contrast = contrast_of(grey, ground)
    return Ink(
        (whole.shape[0], whole.shape[1]), grey, ground, contrast.ink, remove_lines(contrast.ink), contrast.light, (top, left)
    )


def read_photo(pixels: Any) -> Photo:
    """Find the digit of a photo and bring it into MNIST's form: in a coarse picture, and in a finer one if it is small there.

    Args:
        pixels: as `grey_of` takes them: [H, W] or [H, W, channels], upright.

    Raises:
        ImageError: it is no such array.
    """
    photo = _read(pixels, COARSE)
    if max(photo.whole) == max(pixels.shape[:2]) or _large(photo.strokes):
        return photo
    return _read(pixels, LONGEST)


def _read(pixels: Any, longest: int) -> Photo:
    found = find_ink(pixels, longest)
    strokes = find_digit(found.ink)
    if strokes is None:
        blank = np.zeros((SIDE, SIDE), np.uint8)
        return Photo(**vars(found), image=blank, strokes=None, fine=blank.astype(np.float32))
    top, left, bottom, right = strokes.box
    image, fine = in_form(found.ink, strokes.box, strokes.mask[top:bottom, left:right])
    return Photo(**vars(found), image=image, strokes=strokes, fine=fine)


def _large(strokes: Strokes | None) -> bool:
    if strokes is None:
        return False
    top, left, bottom, right = strokes.box
    return max(bottom - top, right - left) >= LARGE


def _shown(levels: Floats) -> NDArray[np.uint8]:
    return reduce(levels.clip(0, 255), -(-max(levels.shape) // SHOWN)).astype(np.uint8)
