"""Lines of the paper are found and taken away, ink stays."""

import numpy as np
import pytest

from edge_runtime.preprocessing.ruled_lines import find_lines, remove_lines

HEIGHT, WIDTH = 240, 320
Y, X = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)


def _lines(slope: float, spacing: float = 30, width: float = 2) -> np.ndarray:
    """Level lines 0 to 1, the first a half spacing below the upper border at the middle column."""
    distance = np.abs((Y - slope * (X - (WIDTH - 1) / 2) - spacing / 2 + spacing / 2) % spacing - spacing / 2)
    return (width / 2 + 0.5 - distance).clip(0, 1)


def _strokes() -> np.ndarray:
    """A 4 of straight strokes, half as high as the picture."""
    upright = (np.abs(X - 180) < 6) & (np.abs(Y - 120) < 60)
    level = (np.abs(Y - 135) < 6) & (np.abs(X - 160) < 45)
    leaning = (np.abs((X - 120) + (Y - 130) * 0.8 - 0) < 8) & (Y > 60) & (Y < 135)
    return (upright | level | leaning).astype(np.float32)


@pytest.mark.parametrize("slope", [0, 0.03, -0.08, 0.17, -0.17])
def test_every_line_is_found_with_its_slope(slope: float) -> None:
    """Eight lines 30 pixels apart, through noise; slopes within a pixel over half of the width."""
    noise = np.random.default_rng(0).normal(0, 0.05, Y.shape)
    middles, slopes = find_lines((0.3 * _lines(slope) + noise).astype(np.float32))
    expected = np.arange(15, HEIGHT, 30)
    for middle in expected[1:-1]:  # the outer ones may leave the picture
        assert np.abs(middles - middle).min() < 3
    inside = (middles > 40) & (middles < HEIGHT - 40)  # the others leave the picture at a corner
    assert slopes[inside] == pytest.approx(np.full(inside.sum(), slope), abs=0.015)


def test_plain_paper_has_no_lines() -> None:
    """Neither noise nor the strokes of a digit are taken for lines, so that nothing changes."""
    noise = np.random.default_rng(1).normal(0, 0.05, Y.shape)
    ink = (0.7 * _strokes() + noise).astype(np.float32)
    assert len(find_lines(ink)[0]) == len(find_lines(ink.T)[0]) == 0
    assert np.array_equal(remove_lines(ink), ink)


def test_thin_strokes_of_a_digit_that_fills_the_picture_are_no_lines() -> None:
    """A 7 written with a fine pen and cut out tightly: its bar runs across nine tenths of the picture, but not to its borders."""
    noise = np.random.default_rng(2).normal(0, 0.02, Y.shape)
    bar, stem = (np.abs(Y - 30) < 1.5) & (X > 25) & (X < 295), (np.abs(X - 290 + (Y - 30) * 0.1) < 1.5) & (Y > 30) & (Y < 225)
    ink = (0.6 * (bar | stem) + noise).astype(np.float32)
    assert len(find_lines(ink)[0]) > 0
    assert np.array_equal(remove_lines(ink), ink)


def test_in_small_pictures_strokes_are_no_lines() -> None:
    """They are as thin as lines are in large ones."""
    ink = np.zeros((40, 40), np.float32)
    ink[10:12, 2:38] = ink[10:35, 36:38] = 0.8
    assert remove_lines(ink) is ink


@pytest.mark.parametrize("slope", [0, 0.07, -0.15])
@pytest.mark.parametrize("contrast", [0.1, 0.3])
@pytest.mark.parametrize("squared", [False, True])
def test_lines_go_and_ink_stays(slope: float, contrast: float, squared: bool) -> None:
    """Five sixths of the lines between strokes at least, and next to nothing of the strokes; level lines alone, and both directions."""
    lines = _lines(slope)
    if squared:
        lines = np.maximum(lines, np.abs((X + slope * (Y - 120)) % 30 - 15) < 1.2)
    strokes = _strokes()
    noise = np.random.default_rng(2).normal(0, 0.02, Y.shape)
    ink = 1 - (1 - contrast * lines) * (1 - 0.7 * strokes) + noise
    left = remove_lines(ink.astype(np.float32))
    bare, inked = (strokes == 0) & (lines == 1), strokes == 1
    assert np.mean(left[bare] > 0.5 * contrast) < 0.15
    assert np.mean(left[bare]) < 0.15 * contrast
    assert np.mean(left[inked] > 0.4) > 0.97


def test_lines_as_dark_as_ink_leave_strokes_that_hang_together() -> None:
    """Where a line crosses a stroke, at most a few pixels of it are lost."""
    ink = np.maximum(0.7 * _lines(0.05), 0.7 * _strokes()).astype(np.float32)
    left = remove_lines(ink)
    assert np.mean(left[(_strokes() == 0) & (_lines(0.05) == 1)] > 0.3) < 0.2
    assert np.mean(left[_strokes() == 1] > 0.3) > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7), (8, 8), (9, 40)])
def test_pictures_too_small_for_lines_are_left_alone(shape: tuple[int, int]) -> None:
    """Down to a single pixel; noise holds no line."""
    ink = np.random.default_rng(3).normal(0, 0.1, shape).astype(np.float32)
    assert remove_lines(ink).shape == shape
