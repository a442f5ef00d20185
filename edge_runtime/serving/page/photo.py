"""Uploaded image files as pictures; the only module of the server that uses `preprocessing`."""

import io

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import Image
from edge_runtime.inference.classifier import Classifier
from edge_runtime.preprocessing.image_files import Picture, read_picture, read_pixels
from edge_runtime.reading.reader import LONGEST, Reader, Reading

__all__ = ["Picture", "Reading", "drawn", "prepare", "read_page", "steps_of"]


def prepare(content: bytes, max_pixels: int) -> Picture:
    """Prepare an image file as `digits classify` does.

    Args:
        content: bytes of a PNG, JPEG, BMP, GIF, WebP or TIFF file.
        max_pixels: largest width times height.

    Raises:
        ImageError: the bytes are not such an image, or it is larger than `max_pixels`.
    """
    return read_picture("the image", io.BytesIO(content), max_pixels)


def read_page(content: bytes, classifier: Classifier, max_pixels: int) -> Reading:
    """Read all digits of an image file as `digits read` does.

    Args:
        content: as for `prepare`.
        classifier: the model, which no other thread uses meanwhile.
        max_pixels: largest width times height.

    Raises:
        ImageError: the bytes are not such an image, or it is larger than `max_pixels`.
        ModelFileError: the model answers with NaN or infinite values.
    """
    return Reader(classifier).read(*read_pixels("the image", io.BytesIO(content), max_pixels, longest=LONGEST))


def drawn(image: Image) -> Picture:
    """A drawing on the pad, uint8 [28, 28], which is in MNIST's form."""
    return Picture(image, ())


def steps_of(picture: Picture) -> tuple[tuple[str, NDArray[np.uint8]], ...]:
    """Name and picture, uint8 [height, width], of each step of the preparation; the last is the model's input."""
    title = f"28x28 pixels, {'inverted' if picture.inverted else 'unchanged'}"
    return picture.photo.steps if picture.photo else ((title, picture.image),)
