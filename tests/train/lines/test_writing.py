"""Invented lines have the form of line images, follow from the seed, and show the digits that they claim."""

import numpy as np
import pytest

from edge_runtime.reading.line_image import HEIGHT
from train.data import Dataset
from train.lines.grounds import draw_ground
from train.lines.marks import AFTER, BEFORE, BETWEEN, MARKS
from train.lines.writing import LONGEST, WIDTH, Digits, write_line, write_lines


@pytest.fixture(scope="module")
def digits(mnist: Dataset) -> Digits:
    """Validation images and a few drawn digits."""
    return Digits.of(mnist.validation, 40, seed=1)


def test_a_line_is_a_line_image_and_its_digits(digits: Digits) -> None:
    """32 rows, of full contrast; 1 to 10 digits; nothing to the right of it."""
    images, texts = write_lines(digits, 60, seed=2)
    assert (images.shape, images.dtype) == ((60, HEIGHT, WIDTH), np.uint8)
    assert all(1 <= len(text) <= LONGEST and text.isdecimal() for text in texts)
    assert {len(text) for text in texts} >= set(range(2, 8))
    assert np.median(images.max(axis=(1, 2))) == 255
    assert any(not image[:, WIDTH // 2 :].any() for image in images)


def test_the_seed_decides(digits: Digits) -> None:
    """All pixels and all digits."""
    (first, texts), (again, same) = write_lines(digits, 8, seed=3), write_lines(digits, 8, seed=3)
    assert np.array_equal(first, again)
    assert texts == same
    assert texts != write_lines(digits, 8, seed=4)[1]


def test_longer_lines_are_wider(digits: Digits) -> None:
    """On average: digits stand beside each other."""
    dice = np.random.default_rng(5)
    lines = [write_line(digits, dice) for _ in range(150)]
    short, long = ([image.shape[1] for image, text in lines if low <= len(text) <= high] for low, high in ((1, 3), (6, 10)))
    assert np.mean(long) > 1.5 * np.mean(short)
    assert max(image.shape[1] for image, _ in lines) <= WIDTH


@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_as_high_as_digits_at_most(mark: str) -> None:
    """In heights of a digit, from its top; a comma hangs down, a dollar's bar stands out."""
    dice = np.random.default_rng(6)
    for _ in range(20):
        every = np.concatenate(MARKS[mark](dice))
        assert every[:, 1].min() > -0.4
        assert every[:, 1].max() < 1.5
        assert np.ptp(every[:, 0]) < 3
    assert mark in BEFORE | BETWEEN | AFTER


def test_grounds_are_lighter_than_ink_almost_everywhere() -> None:
    """0 to 1, mostly below a half; some are plain, some ruled."""
    dice = np.random.default_rng(7)
    grounds = [draw_ground((HEIGHT, 100), dice) for _ in range(80)]
    assert all(ground.shape == (HEIGHT, 100) and ground.min() >= 0 and ground.max() <= 1 for ground in grounds)
    assert 5 < sum(not ground.any() for ground in grounds) < 40
    assert np.mean([(ground > 0.5).mean() for ground in grounds]) < 0.05
