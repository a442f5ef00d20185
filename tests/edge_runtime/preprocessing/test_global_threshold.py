"""One threshold for a picture that the digit fills: its classes, its polarity, and noise, which has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime.preprocessing.background import Contrast
from edge_runtime.preprocessing.global_threshold import light_fractions, otsu_threshold, separability, threshold_ink
from edge_runtime.preprocessing.segmentation import Strokes

Separated = tuple[np.ndarray, Contrast, Strokes]

RING = np.zeros((16, 16), np.float32)
RING[2:14, 3:13] = 200
RING[5:11, 6:10] = 0


def _ink(picture: np.ndarray, light: bool) -> Separated | None:
    return threshold_ink(picture, otsu_threshold(picture), light)


def test_the_ring_is_all_of_the_ink() -> None:
    """With its box, whole; contrast is a fraction of the paper, and at least that of black."""
    found = _ink(RING, light=True)
    assert found is not None
    background, contrast, strokes = found
    assert (strokes.box, strokes.cut, strokes.others) == ((2, 3, 14, 13), False, 0)
    assert np.array_equal(strokes.mask, RING > 0)
    assert np.array_equal(background, np.zeros((16, 16)))
    assert strokes.contrast == pytest.approx(200 / 12)
    assert contrast.ink[3, 4] == pytest.approx(200 / 12)


def test_either_class_may_be_ink() -> None:
    """Of the opposite polarity the paper is the ink."""
    found = _ink(255 - RING, light=True)
    assert found is not None
    assert np.array_equal(found[2].mask, RING == 0)


@pytest.mark.parametrize("inverted", [False, True])
def test_polarity_is_that_of_border_corners_and_whole(inverted: bool) -> None:
    """Also where the digit touches the border on every side."""
    touching = np.zeros((16, 16), np.float32)
    touching[:, 6:9] = touching[6:9] = 255
    for picture in (RING, touching):
        shown = 255 - picture if inverted else picture
        assert (light_fractions(shown > 100) > 1.5) == inverted


def test_specks_are_dropped() -> None:
    """Strokes of a thirtieth of the largest are kept."""
    picture = RING.copy()
    picture[0, 0] = 200
    picture[0:2, 14:16] = 200
    found = _ink(picture, light=True)
    assert found is not None
    assert found[2].box == (0, 3, 14, 16)


@pytest.mark.parametrize("side", [12, 28, 100, 200])
def test_noise_has_no_ink(side: int) -> None:
    """Whichever class is asked for; nor has a picture of one level, or of nearly one."""
    noise = np.random.default_rng(side).integers(0, 256, (side, side)).astype(np.float32)
    for light in (False, True):
        assert _ink(noise, light) is None
        assert _ink(np.full((side, side), 77, np.float32), light) is None
        assert _ink(np.where(noise > 200, 77, 80).astype(np.float32), light) is None


@settings(max_examples=60)
@given(arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.floats(0, 255, width=32)), st.booleans())
def test_any_picture_has_strokes_or_none(picture: np.ndarray, light: bool) -> None:
    """Within the picture, with finite ink; the threshold lies between the lowest and the highest level."""
    assert picture.min() <= otsu_threshold(picture) <= picture.max()
    light_pixels = picture > otsu_threshold(picture)
    assert 0 <= light_fractions(light_pixels) <= 3
    assert 0 <= separability(picture, light_pixels) <= 1.001
    found = _ink(picture, light)
    if found:
        background, contrast, strokes = found
        top, left, bottom, right = strokes.box
        assert 0 <= top < bottom <= picture.shape[0]
        assert 0 <= left < right <= picture.shape[1]
        assert np.isfinite(contrast.ink).all()
        assert background.shape == strokes.mask.shape == picture.shape


def test_two_levels_explain_a_picture_of_two() -> None:
    """And less of one with slopes; nothing of one level."""
    slope = np.tile(np.linspace(0, 255, 40, dtype=np.float32), (40, 1))
    assert separability(RING, RING > 100) == pytest.approx(1)
    assert separability(slope, slope > otsu_threshold(slope)) == pytest.approx(0.75, abs=0.01)
    assert separability(np.ones((3, 3), np.float32), np.zeros((3, 3), bool)) == 0
