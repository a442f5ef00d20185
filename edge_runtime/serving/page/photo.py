"""Uploaded image files to 28x28 images; the only module of the server that uses `preprocessing`."""

import io

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import Image


@frozen_dataclass
class PreparedImage:
    """A photo as the model's input, uint8 [28, 28], with warnings about its preparation.

    steps: name and picture, uint8 [height, width], of each step of the preparation; the last is the image itself.
    """

    image: Image
    warnings: tuple[str, ...]
    steps: tuple[tuple[str, NDArray[np.uint8]], ...]


def prepare(content: bytes, max_pixels: int) -> PreparedImage:
    """Prepare an image file as `digits classify` does.

    Args:
        content: bytes of a PNG, JPEG, BMP, GIF, WebP or TIFF file.
        max_pixels: largest width times height.

    Raises:
        ImageError: the bytes are not such an image, or it is larger than `max_pixels`.
    """
    from edge_runtime.preprocessing.image_files import read_picture

    picture = read_picture("the image", io.BytesIO(content), max_pixels)
    return PreparedImage(
        picture.image, picture.warnings, picture.photo.steps if picture.photo else (("28x28 pixels, unchanged", picture.image),)
    )
