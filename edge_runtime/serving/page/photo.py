"""Photos that come with requests, to the pixel contract: the one place where the server meets the handling of pictures."""

import io

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import Image


@frozen_dataclass
class PreparedImage:
    """A photo as the model sees it, uint8 [28, 28], and what was done to it that its owner may not expect.

    steps: pictures on the way there, uint8 [height, width], each with its name; the last is the image itself.
    """

    image: Image
    warnings: tuple[str, ...]
    steps: tuple[tuple[str, NDArray[np.uint8]], ...]


def prepare(content: bytes, most_pixels: int) -> PreparedImage:
    """Read an image file from its bytes, as `digits classify` reads one.

    Args:
        content: of a PNG, JPEG, BMP, GIF, WebP or TIFF file.
        most_pixels: width times height.

    Raises:
        ImageError: the bytes are no such image, or it is larger.
    """
    from edge_runtime.preprocessing.image_files import read_picture

    picture = read_picture("the image", io.BytesIO(content), most_pixels)
    return PreparedImage(
        picture.image, picture.warnings, picture.photo.steps if picture.photo else (("28x28 pixels, as they are", picture.image),)
    )
