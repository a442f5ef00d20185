"""Marks of a page: found, put into lines, joined and parted."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime.reading.page_layout import Mark, find_marks, group_lines, merge, split_evenly
from tests.edge_runtime.preprocessing.test_segmentation import _page


def _boxes(lines: list[list[Mark]]) -> list[list[tuple[int, int]]]:
    """Upper left corners, rounded to tens."""
    return [[(round(mark.box[0], -1), round(mark.box[1], -1)) for mark in line] for line in lines]


def test_digits_are_found_line_by_line() -> None:
    """From the left to the right, the upper line first, whatever order they are written in."""
    page = _page((3, 160, 40), (2, 20, 240), (5, 30, 20), (8, 40, 130), (5, 170, 200), shape=(320, 400))
    assert _boxes(find_marks(page)) == [[(30, 20), (40, 130), (20, 240)], [(160, 40), (170, 200)]]


def test_slanted_lines_stay_lines() -> None:
    """Seven digits that climb by two of their heights, and seven below them."""
    upper = [(5, 260 - 28 * number, 20 + 90 * number) for number in range(7)]
    lower = [(3, 420 - 28 * number, 20 + 90 * number) for number in range(7)]
    assert _boxes(find_marks(_page(*upper, *lower, shape=(560, 700)))) == [
        [(round(top, -1), left) for _, top, left in line] for line in (upper, lower)
    ]


def test_digits_of_different_sizes_are_all_marks() -> None:
    """One of twice the height beside the others."""
    page = np.maximum(_page((7, 40, 30), (2, 40, 130), shape=(300, 400)), _page((5, 20, 230), scale=8, shape=(300, 400)))
    assert _boxes(find_marks(page)) == [[(40, 30), (40, 130), (20, 230)]]


def test_specks_and_what_hangs_in_from_the_border_are_no_marks() -> None:
    """A dot, the edge of a table, and a shadow in a corner."""
    page = _page((7, 100, 100), shape=(300, 400))
    page[250:255, 200:205] = page[:, :12] = page[200:, 340:] = 0.6
    assert _boxes(find_marks(page)) == [[(100, 100)]]


def test_two_strokes_one_above_the_other_are_one_mark() -> None:
    """An 8 whose rings do not meet, between two other digits."""
    page = _page((3, 100, 100), (8, 100, 200), (5, 100, 300))
    page[138:146, 190:270] = 0
    (line,) = find_marks(page)
    assert len(line) == 3
    assert line[1].box == pytest.approx((100, 200, 184, 260), abs=1)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_touching_marks_are_cut_where_they_touch(count: int) -> None:
    """Rings side by side, in one piece: every cut goes through where two of them meet."""
    y, x = np.mgrid[:60, : 50 * count]
    rings = [np.abs(np.hypot((x - 25 - 50 * number) / 25, (y - 30) / 30) - 0.85) < 0.15 for number in range(count)]
    whole = Mark((10, 20, 70, 20 + 50 * count), np.logical_or.reduce(rings))
    parts = split_evenly(whole, count)
    assert [part.box for part in parts] == [
        pytest.approx((10, 20 + 50 * number, 70, 70 + 50 * number), abs=3) for number in range(count)
    ]
    assert merge(parts).mask.sum() == whole.mask.sum()
    assert merge(parts).box == pytest.approx(whole.box, abs=1)


def test_a_line_goes_on_with_the_nearest_of_its_height() -> None:
    """Two columns of numbers far apart are lines of their own."""
    mask = np.ones((40, 30), bool)
    places = [(0, 0), (0, 40), (0, 400), (60, 5), (60, 45), (60, 402)]
    lines = group_lines([Mark((top, left, top + 40, left + 30), mask) for top, left in places])
    assert [[mark.box[:2] for mark in line] for line in lines] == [[(0, 0), (0, 40)], [(0, 400)], [(60, 5), (60, 45)], [(60, 402)]]


@settings(max_examples=60, deadline=None)
@given(ink=arrays(np.float32, st.tuples(st.integers(1, 60), st.integers(1, 60)), elements=st.floats(-1, 3, width=32)))
def test_any_ink_has_marks_within_it(ink: np.ndarray) -> None:
    """Each inside of the page and not empty; parting loses no ink."""
    for mark in (mark for line in find_marks(ink) for mark in line):
        top, left, bottom, right = mark.box
        assert 0 <= top < bottom <= ink.shape[0]
        assert 0 <= left < right <= ink.shape[1]
        assert mark.mask.shape == (bottom - top, right - left)
        assert mark.image(ink).shape == (28, 28)
        assert sum(part.mask.sum() for part in split_evenly(mark, 3)) == mark.mask.sum()


def test_a_page_of_thousands_of_marks_is_laid_out_by_arrays() -> None:
    """Three thousand letters: their lines, in order; each mark is compared with the others at once, not one by one."""
    mask = np.ones((20, 14), bool)
    places = [(row, column) for row in range(20, 1_520, 30) for column in range(20, 1_220, 20)]
    marks = [Mark((top, left, top + 20, left + 14), mask) for top, left in places]
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        lines = group_lines(marks)
    finally:
        sys.setprofile(None)
    assert [mark.box[:2] for line in lines for mark in line] == places
    assert calls < 200 * len(marks)
