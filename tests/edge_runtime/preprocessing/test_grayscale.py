"""Pixels of any kind to grey levels."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.grayscale import LONGEST, apply_orientation, to_grayscale

RAMP = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)


@pytest.mark.parametrize(
    "pixels",
    [
        RAMP,
        RAMP[..., None],
        RAMP.astype(np.uint16) * 257,
        RAMP.astype(np.float64),
        np.dstack([RAMP] * 3),
        np.dstack([RAMP] * 3 + [np.full_like(RAMP, 255)]),
        np.dstack([RAMP, np.full_like(RAMP, 255)]),
    ],
    ids=["uint8", "one channel", "uint16", "float64", "colour", "opaque colour", "opaque grey"],
)
def test_the_same_greys_in_any_form_are_the_same(pixels: np.ndarray) -> None:
    """float32, 0 to 255."""
    grey = to_grayscale(pixels)
    assert grey.dtype == np.float32
    assert grey == pytest.approx(RAMP.astype(float), abs=1e-3)


def test_colours_weigh_as_the_eye_sees_them() -> None:
    """Green is lighter than red, red than blue; a mask of True and False is white and black."""
    red, green, blue = to_grayscale(np.eye(3, dtype=np.uint8)[None] * 255)[0]
    assert (red, green, blue) == pytest.approx((76.2, 149.7, 29.1), abs=0.1)
    assert to_grayscale(np.array([[True, False]])).tolist() == [[255, 0]]


@pytest.mark.parametrize(("ink", "ground"), [(0, 255), (255, 0), (90, 255)])
def test_what_is_transparent_becomes_a_ground_that_shows_the_ink(ink: int, ground: int) -> None:
    """White behind dark ink, black behind light ink."""
    opacity = np.zeros((5, 5), np.uint8)
    opacity[2] = 255
    pixels = np.dstack([np.full((5, 5, 3), ink, np.uint8), opacity])
    assert to_grayscale(pixels) == pytest.approx(np.full((5, 5), ground) - (np.arange(5) == 2)[:, None] * (ground - ink), abs=1e-3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_held_sideways_is_turned_back(orientation: int) -> None:
    """As Pillow does it; an unknown number changes nothing."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[274] = orientation
    Image.fromarray(RAMP).save(stream, "PNG", exif=exif)
    with Image.open(stream) as opened:
        assert np.array_equal(apply_orientation(RAMP, orientation), np.asarray(ImageOps.exif_transpose(opened)))
    assert np.array_equal(apply_orientation(RAMP, "north"), RAMP)


def test_large_pixels_are_reduced() -> None:
    """To 1024 along the longer side at most, keeping the proportions."""
    assert to_grayscale(np.zeros((3000, 10), np.uint8)).shape == (1000, 4)
    assert to_grayscale(np.zeros((LONGEST, 1), np.uint8)).shape == (LONGEST, 1)


@pytest.mark.parametrize(
    ("pixels", "cause"),
    [
        (None, "got NoneType"),
        (np.zeros(5, np.uint8), r"got uint8 \[5\]"),
        (np.zeros((2, 2, 5), np.uint8), "1 to 4 channels"),
        (np.zeros((2, 2, 2, 2), np.uint8), "1 to 4 channels"),
        (np.zeros((0, 7), np.uint8), "got 7x0"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.array([[1.0, np.nan]]), "NaN"),
        (np.array([[1.0, np.inf]]), "infinite"),
        (np.broadcast_to(np.uint8(0), (10_000, 10_000)), "1 to 64,000,000 pixels"),
    ],
)
def test_what_is_no_pixels_is_an_error(pixels: object, cause: str) -> None:
    """What was wrong is named."""
    with pytest.raises(ImageError, match=cause):
        to_grayscale(pixels)
