"""Pictures of lines become line images: 32 rows, contrast from 0 to 255, proportions kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.reading.line_image import HEIGHT, line_image, stretch_contrast


@given(st.integers(1, 90), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_any_picture_becomes_a_line_image(height: int, width: int, seed: int) -> None:
    """Of the width that keeps its proportions."""
    ink = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    found = line_image(ink)
    assert (found.dtype, found.shape) == (np.uint8, (HEIGHT, max(1, round(width * HEIGHT / height))))


def test_contrast_is_stretched_and_noise_is_not() -> None:
    """Ground becomes 0 and ink 255, however faint; a blank line stays nearly blank."""
    ink = np.full((HEIGHT, 100), 40, np.float32)
    ink[8:24, 40:44] = 90
    assert set(np.unique(stretch_contrast(ink))) == {0, 255}
    assert stretch_contrast(np.full((HEIGHT, 100), 40.0) + np.eye(HEIGHT, 100)).max() < 30


def test_reducing_averages_and_enlarging_interpolates() -> None:
    """A line of twice or half the size gives about the same image."""
    dice = np.random.default_rng(1)
    ink = np.kron(dice.uniform(0, 255, (8, 20)), np.ones((4, 4))).astype(np.float32)
    large = np.kron(ink, np.ones((2, 2))).astype(np.float32)
    assert np.abs(line_image(large).astype(int) - line_image(ink)).max() <= 1
    assert line_image(ink[::2, ::2]) == pytest.approx(line_image(ink), abs=150)
