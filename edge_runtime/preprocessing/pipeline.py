"""The pipeline from a photo to MNIST's form. Begin with `readings`, or with `read_photo` for a photo alone."""

import dataclasses
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import SIDE, Image
from edge_runtime.preprocessing.background import estimate_background, estimate_contrast
from edge_runtime.preprocessing.global_threshold import (
    UNSURE_POLARITY,
    light_fractions,
    otsu_threshold,
    separability,
    threshold_ink,
)
from edge_runtime.preprocessing.grayscale import LONGEST, OPAQUE, check_pixels, reduction_factor, to_grayscale
from edge_runtime.preprocessing.normalization import BOX, FINE, normalize
from edge_runtime.preprocessing.page_crop import find_page, without_padding
from edge_runtime.preprocessing.resampling import reduce
from edge_runtime.preprocessing.ruled_lines import remove_lines
from edge_runtime.preprocessing.segmentation import Strokes, find_digit
from edge_runtime.preprocessing.warnings import photo_warnings

Floats = NDArray[np.float32]

STEP_SIZE = 256
"""Maximum longer side of the pictures of steps."""
COARSE = 512
"""Longer side that a photo is reduced to at first: most digits are large enough then, in a quarter of the time."""
MARGIN = 1.5
"""Margin around a digit in the finer picture, in sizes of the digit: enough to estimate the background."""
MIN_MARGIN = 80
"""Minimum of this margin, in pixels of the finer picture."""
SMALL = 200
"""Maximum longer side of a picture that is taken for one digit, cropped: its digit fills the frame."""
NARROW = 0.75
"""Width of the narrowed reading, for digits that were stretched to a frame; a digit of MNIST is 0.7 times as wide as high on average."""
EVEN = 0.8
"""Minimum separability of a crop whose light is even, so that reading it as a photo would add nothing."""
LESS_LIKELY = -2.0
"""Prior of a reading that is rarely the right one, as a logarithm, beside 0 for the others."""
LARGE = BOX * FINE
"""Longer side of a digit that a finer picture would not improve: normalisation reduces it to this."""


@frozen_dataclass
class Ink:
    """The ink of a picture, separated from the background.

    whole: height and width of the reduced picture. grey, background: float32 [H, W], 0 to 255, of the page. contrast: float32 [H, W], all
    contrast with the background. ink: the same without ruled lines. light: the ink is lighter than the background. place: row and column of
    the page's upper left pixel in the reduced picture.
    """

    whole: tuple[int, int]
    grey: Floats = field(repr=False)
    background: Floats = field(repr=False)
    contrast: Floats = field(repr=False)
    ink: Floats = field(repr=False)
    light: bool
    place: tuple[int, int]


@frozen_dataclass
class Photo(Ink):
    """A photo's digit in MNIST's form, with all intermediate steps.

    reading: how it was found: "photo", or "crop" of a picture that the digit fills, or "narrowed". prior: how likely that way is before a
    model has answered, as a logarithm. image: uint8 [28, 28]. strokes: the digit's ink; None without a digit. fine: float32, 0 to 1,
    the digit at about 80 pixels.
    """

    reading: str
    prior: float
    image: Image
    strokes: Strokes | None = field(repr=False)
    fine: Floats = field(repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the photo. Each begins with its kind and a colon."""
        return photo_warnings(self.strokes, self.background, self.light, cropped=self.reading != "photo")

    @property
    def steps(self) -> tuple[tuple[str, NDArray[np.uint8]], ...]:
        """Pictures of the steps from the photo to 28x28, each with its name: uint8 [h, w], with at most 256 pixels a side."""
        full = self.strokes.contrast if self.strokes else max(float(self.contrast.max()), 0.1)
        height, width = self.grey.shape
        of_whole = f" of {self.whole[1]}x{self.whole[0]}" if self.grey.shape != self.whole else ""
        flattened: tuple[tuple[str, NDArray[np.uint8]], ...] = (("ink by one threshold", _thumbnail(255 * self.contrast / full)),)
        if self.reading == "photo":
            flattened = (
                ("light and shadow removed", _thumbnail(255 * self.contrast / full)),
                ("ruled lines removed", _thumbnail(255 * self.ink / full)),
            )
        return (
            (f"grey, {width}x{height}{of_whole}", _thumbnail(self.grey)),
            *flattened,
            ("ink of the digit", _thumbnail(255 * self.ink / full * (self.strokes.mask if self.strokes else 0))),
            ("as in MNIST, 28x28", self.image),
        )


def readings(pixels: Any) -> tuple[Photo, ...]:
    """Find the digit of a picture in each plausible way; in one way if the picture leaves no doubt.

    A picture of up to 200 pixels is taken for a crop, and for a photo too unless its light is even; a larger one for a photo, and for a
    crop too if its digit touches the edge. A crop is read once more, narrowed, and twice more if its polarity is in doubt.

    Args:
        pixels: as `to_grayscale` takes them: [H, W] or [H, W, channels], upright.

    Raises:
        ImageError: it is no such array.
    """
    check_pixels(pixels)
    if max(pixels.shape[:2]) > SMALL:
        photo = read_photo(pixels)
        if photo.strokes is None or not photo.strokes.cut:
            return (photo,)
        grey = without_padding(to_grayscale(pixels, COARSE))
        return (photo, *_read_crop(grey, otsu_threshold(grey)))
    grey = without_padding(to_grayscale(pixels))
    threshold = otsu_threshold(grey)
    crops = _read_crop(grey, threshold)
    if crops and crops[0].strokes and crops[0].strokes.others:
        photo = read_photo(pixels)  # which takes one digit of several
        return (photo,) if photo.strokes else crops
    if crops and separability(grey, grey > threshold) >= EVEN:
        return crops
    photo = dataclasses.replace(read_photo(pixels), prior=LESS_LIKELY)
    return (*crops, photo) if crops and photo.strokes is not None else crops or (photo,)


def find_ink(pixels: Any, longest: int = LONGEST) -> Ink:
    """Separate the ink of a photo from paper, light and shadow, and ruled lines. Arguments and errors as of `to_grayscale`."""
    whole = to_grayscale(pixels, longest)
    top, left, bottom, right = find_page(whole) or (0, 0, *whole.shape)
    grey = whole[top:bottom, left:right]
    background = estimate_background(grey)
    contrast = estimate_contrast(grey, background)
    size = whole.shape[0], whole.shape[1]
    return Ink(size, grey, background, contrast.ink, remove_lines(contrast.ink), contrast.light, (top, left))


def read_photo(pixels: Any) -> Photo:
    """Find the digit of a photo and normalise it to MNIST's form: in a coarse picture, then in a finer one if it is small there.

    The finer picture shows the digit's surroundings, or everything if no digit was found.

    Args:
        pixels: as `to_grayscale` takes them: [H, W] or [H, W, channels], upright.

    Raises:
        ImageError: it is no such array.
    """
    found = find_ink(pixels, COARSE)
    strokes = find_digit(found.ink)
    if max(found.whole) == max(pixels.shape[:2]) or _large(strokes):
        return _normalized(found, strokes)
    return _zoomed(pixels, found, strokes) or _read(pixels, LONGEST)


def _read_crop(grey: Floats, threshold: float) -> tuple[Photo, ...]:
    """The readings of a picture that the digit fills: as it is and narrowed, with the likelier polarity or with both."""
    light = light_fractions(grey > threshold)
    sides = [light < 1.5, light >= 1.5] if UNSURE_POLARITY[0] < light < UNSURE_POLARITY[1] else [light < 1.5]
    found = []
    for number, inverted in enumerate(sides):
        separated = threshold_ink(grey, threshold, inverted)
        if separated is None:
            continue
        background, contrast, strokes = separated
        size = grey.shape[0], grey.shape[1]
        ink = Ink(size, grey, background, contrast.ink, contrast.ink, inverted, (0, 0))
        prior = number * LESS_LIKELY
        found += [_normalized(ink, strokes, "crop", prior), _normalized(ink, strokes, "narrowed", prior, NARROW)]
    return tuple(found)


def _read(pixels: Any, longest: int) -> Photo:
    found = find_ink(pixels, longest)
    return _normalized(found, find_digit(found.ink))


def _zoomed(pixels: NDArray[Any], coarse: Ink, seen: Strokes | None) -> Photo | None:
    """A digit of the coarse picture in a finer picture of its surroundings; None if that is not possible."""
    if seen is None or (pixels.ndim == 3 and pixels.shape[2] not in OPAQUE):  # transparency needs the whole picture
        return None
    around = _surroundings(pixels.shape, coarse, seen)
    step = reduction_factor(pixels.shape, LONGEST)
    place = around[0] // step, around[1] // step
    grey = to_grayscale(pixels[around[0] : around[2], around[1] : around[3]], step=step)
    background = estimate_background(grey)
    contrast = estimate_contrast(grey, background, coarse.light)
    height, width = (-(-side // step) for side in pixels.shape[:2])
    found = Ink((height, width), grey, background, contrast.ink, remove_lines(contrast.ink), contrast.light, place)
    strokes = find_digit(found.ink)
    if strokes is None or strokes.cut != seen.cut:  # it extends beyond its surroundings
        return None
    return _normalized(found, dataclasses.replace(strokes, others=seen.others))


def _surroundings(shape: tuple[int, ...], coarse: Ink, seen: Strokes) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the pixels around a digit that are needed for its background, within its page."""
    coarse_step, step = reduction_factor(shape, COARSE), reduction_factor(shape, LONGEST)
    top, left, bottom, right = (coarse_step * side for side in seen.box)
    margin = max(MARGIN * max(bottom - top, right - left), MIN_MARGIN * step)
    low, high = [], []
    for start, stop, place, count, whole in zip(
        (top, left), (bottom, right), coarse.place, coarse.grey.shape, shape[:2], strict=True
    ):
        first = coarse_step * place
        low.append(max(first, first + start - int(margin)) // step * step)
        high.append(min(-(-min(first + coarse_step * count, first + stop + int(margin)) // step) * step, whole))
    return low[0], low[1], high[0], high[1]


def _normalized(found: Ink, strokes: Strokes | None, reading: str = "photo", prior: float = 0.0, width: float = 1.0) -> Photo:
    if strokes is None:
        image, fine = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.float32)
    else:
        top, left, bottom, right = strokes.box
        image, fine = normalize(found.ink, strokes.box, strokes.mask[top:bottom, left:right], width)
    return Photo(**vars(found), reading=reading, prior=prior, image=image, strokes=strokes, fine=fine)


def _large(strokes: Strokes | None) -> bool:
    if strokes is None:
        return False
    top, left, bottom, right = strokes.box
    return max(bottom - top, right - left) >= LARGE


def _thumbnail(levels: Floats) -> NDArray[np.uint8]:
    return reduce(levels.clip(0, 255), -(-max(levels.shape) // STEP_SIZE)).astype(np.uint8)
