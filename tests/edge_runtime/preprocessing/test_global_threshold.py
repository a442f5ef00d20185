"""One threshold for a picture that the digit fills: its classes, its polarity, and noise, which has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime.preprocessing.global_threshold import light_fractions, otsu_threshold, threshold_ink

RING = np.zeros((16, 16), np.float32)
RING[2:14, 3:13] = 200
RING[5:11, 6:10] = 0


def test_the_ring_is_all_of_the_ink() -> None:
    """With its box, whole; contrast is a fraction of the paper, and at least that of black."""
    found = threshold_ink(RING, light=True)
    assert found is not None
    background, contrast, strokes = found
    assert (strokes.box, strokes.cut, strokes.others) == ((2, 3, 14, 13), False, 0)
    assert np.array_equal(strokes.mask, RING > 0)
    assert np.array_equal(background, np.zeros((16, 16)))
    assert strokes.contrast == pytest.approx(200 / 12)
    assert contrast.ink[3, 4] == pytest.approx(200 / 12)


def test_either_class_may_be_ink() -> None:
    """Of the opposite polarity the paper is the ink."""
    found = threshold_ink(255 - RING, light=True)
    assert found is not None
    assert np.array_equal(found[2].mask, RING == 0)


@pytest.mark.parametrize("inverted", [False, True])
def test_polarity_is_that_of_border_corners_and_whole(inverted: bool) -> None:
    """Also where the digit touches the border on every side."""
    touching = np.zeros((16, 16), np.float32)
    touching[:, 6:9] = touching[6:9] = 255
    for picture in (RING, touching):
        assert (light_fractions(255 - picture if inverted else picture) > 1.5) == inverted


def test_specks_are_dropped() -> None:
    """Strokes of a thirtieth of the largest are kept."""
    picture = RING.copy()
    picture[0, 0] = 200
    picture[0:2, 14:16] = 200
    found = threshold_ink(picture, light=True)
    assert found is not None
    assert found[2].box == (0, 3, 14, 16)


@pytest.mark.parametrize("side", [12, 28, 100, 200])
def test_noise_has_no_ink(side: int) -> None:
    """Whichever class is asked for; nor has a picture of one level, or of nearly one."""
    noise = np.random.default_rng(side).integers(0, 256, (side, side)).astype(np.float32)
    for light in (False, True):
        assert threshold_ink(noise, light) is None
        assert threshold_ink(np.full((side, side), 77, np.float32), light) is None
        assert threshold_ink(np.where(noise > 200, 77, 80).astype(np.float32), light) is None


@settings(max_examples=60)
@given(arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.floats(0, 255, width=32)), st.booleans())
def test_any_picture_has_strokes_or_none(picture: np.ndarray, light: bool) -> None:
    """Within the picture, with finite ink; the threshold lies between the lowest and the highest level."""
    assert picture.min() <= otsu_threshold(picture) <= picture.max()
    assert 0 <= light_fractions(picture) <= 3
    found = threshold_ink(picture, light)
    if found:
        background, contrast, strokes = found
        top, left, bottom, right = strokes.box
        assert 0 <= top < bottom <= picture.shape[0]
        assert 0 <= left < right <= picture.shape[1]
        assert np.isfinite(contrast.ink).all()
        assert background.shape == strokes.mask.shape == picture.shape
