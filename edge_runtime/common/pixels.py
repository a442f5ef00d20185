"""The pixel contract: an image is uint8 [28, 28], 0 = background, 255 = ink, as MNIST stores it; a batch is uint8 [N, 28, 28]."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ImageError

SIDE = 28
BACKGROUND = 0
INK = 255

_SHAPE, _UINT8 = (SIDE, SIDE), np.dtype(np.uint8)

Image = NDArray[np.uint8]
"""uint8 [28, 28], 0 = background, 255 = ink."""
Batch = NDArray[np.uint8]
"""uint8 [N, 28, 28], 0 = background, 255 = ink."""

_SHADES, _ASCII_SHADES = " ░▒▓█", " .:*#"


def check_image(image: Any) -> Image:
    """Return `image` as a plain array if it is uint8 [28, 28].

    Raises:
        ImageError: it is no such array; the message names its shape and dtype.
    """
    if type(image) is np.ndarray and image.dtype is _UINT8 and image.shape == _SHAPE:  # the common case, with the fewest checks
        return image
    if not isinstance(image, np.ndarray) or image.shape != (SIDE, SIDE) or image.dtype != np.uint8:
        raise ImageError(f"expected an image as uint8 [28, 28] (0 = background, 255 = ink), got {_describe(image)}")
    return image.view(np.ndarray)  # a subclass, such as np.matrix, may reshape differently


def check_batch(images: Any) -> Batch:
    """Return `images` as a plain array if they are uint8 [N, 28, 28]; N may be 0.

    Raises:
        ImageError: it is no such array; the message names its shape and dtype.
    """
    if not isinstance(images, np.ndarray) or images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8 or images.ndim != 3:
        raise ImageError(f"expected a batch as uint8 [N, 28, 28] (0 = background, 255 = ink), got {_describe(images)}")
    return images if type(images) is np.ndarray else images.view(np.ndarray)


def as_text(image: Image, encoding: str = "utf-8") -> str:
    """Draw an image with five shades that `encoding` supports: 14 lines of 28 characters, two rows of pixels per line."""
    shades = _SHADES if _has_shades(encoding) else _ASCII_SHADES
    rows = check_image(image).reshape(SIDE // 2, 2, SIDE).mean(axis=1)
    levels = np.minimum(rows / 255 * len(shades), len(shades) - 1).astype(int)
    return "\n".join("".join(shades[level] for level in row) for row in levels)


def _has_shades(encoding: str) -> bool:
    try:
        _SHADES.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return type(value).__name__
