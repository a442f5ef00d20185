"""Smaller and larger images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_runtime.preprocessing.resampling import reduce, resize, weights


@given(factor=st.integers(1, 9), height=st.integers(1, 30), width=st.integers(1, 30))
def test_reduced_pixels_are_means_of_squares(factor: int, height: int, width: int) -> None:
    """As Pillow computes them where the squares are whole; the size is rounded up."""
    image = np.random.default_rng(height * width).uniform(0, 255, (height, width)).astype(np.float32)
    reduced = reduce(image, factor)
    assert reduced.shape == (-(-height // factor), -(-width // factor))
    expected = np.asarray(Image.fromarray(image).reduce(factor))
    rows, columns = height // factor, width // factor
    assert reduced[:rows, :columns] == pytest.approx(expected[:rows, :columns], abs=1e-3)


def test_a_slope_survives_being_reduced_and_resized() -> None:
    """Straight lines stay straight but for half a cell at the borders."""
    slope = np.linspace(0, 100, 64, dtype=np.float32)[:, None] + np.zeros((1, 48), np.float32)
    back = resize(reduce(slope, 8), slope.shape, 8)
    assert back.shape == slope.shape
    assert back[4:-4] == pytest.approx(slope[4:-4], abs=1e-3)


@given(count=st.integers(1, 60), length=st.integers(1, 60))
def test_resampling_keeps_the_whole(count: int, length: int) -> None:
    """Every new pixel of a picture that is made smaller is a mean, and all old pixels count alike."""
    step = count / length
    matrix = weights(length, (step - 1) / 2, step, count, clamp=True)
    assert matrix.sum(axis=1) == pytest.approx(np.ones(length), abs=1e-5)
    if step >= 1:
        assert matrix.sum(axis=0) == pytest.approx(np.full(count, 1 / step), abs=1e-4)


def test_what_lies_outside_is_nothing() -> None:
    """Without clamping, new pixels beyond the border are 0."""
    assert weights(3, -5, 1, 4).tolist() == [[0] * 4] * 3
    assert weights(2, -0.5, 0.5, 3).sum(axis=1).tolist() == [0.5, 1]
