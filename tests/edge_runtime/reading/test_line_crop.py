"""Lines are cut out of pages level, without their neighbours, and boxes lead back to the page."""

import numpy as np
import pytest

from edge_runtime.reading.line_crop import FILL, crop_line
from edge_runtime.reading.line_image import HEIGHT
from edge_runtime.reading.line_model import LineDigit
from edge_runtime.reading.page_layout import Mark


def _page(*corners: tuple[int, int]) -> tuple[np.ndarray, list[Mark]]:
    """A page, float32 [200, 400], with solid blocks of 40x20 pixels at these rows and columns, and their marks."""
    ink = np.zeros((200, 400), np.float32)
    marks = []
    for top, left in corners:
        ink[top : top + 40, left : left + 20] = 1
        marks.append(Mark((top, left, top + 40, left + 20), np.ones((40, 20), bool)))
    return ink, marks


@pytest.mark.parametrize("slope", [0.0, 0.2, -0.2])
def test_a_line_is_levelled_and_boxes_are_those_of_the_page(slope: float) -> None:
    """Digits fill two thirds of the crop, at the same height each."""
    corners = [(round(80 + slope * (left - 200)), left) for left in range(60, 340, 50)]
    ink, marks = _page(*corners)
    crop = crop_line(marks, [], ink)
    assert crop.slope == pytest.approx(slope, abs=0.02)
    solid = crop.image > 100
    rows = np.flatnonzero(solid.any(axis=1))
    assert len(rows) == pytest.approx(FILL * HEIGHT, abs=3)
    digits = []
    for mark in marks:
        first, last = ((mark.box[side] - crop.left) / crop.pixel for side in (1, 3))
        digits.append(LineDigit("0", 1.0, round(first), round(last) - 1))
    for box, mark in zip(crop.boxes(digits), marks, strict=True):
        assert box == pytest.approx(mark.box, abs=4)


def test_other_lines_are_left_out() -> None:
    """The ink of their marks, where they reach into the crop."""
    ink, (line, other, *_) = _page((80, 100), (125, 100))
    assert (crop_line([line], [other], ink).image > 100).sum() < (crop_line([line], [], ink).image > 100).sum()
    assert ink[130, 110] == 1


def test_a_line_at_the_edge_of_a_page_is_padded() -> None:
    """Also a single digit that touches two edges."""
    ink, marks = _page((0, 0))
    crop = crop_line(marks, [], ink)
    assert crop.image.shape[0] == HEIGHT
    assert crop.boxes([LineDigit("0", 1.0, 4, 10)])[0] == pytest.approx((0, 0, 40, 20), abs=3)
    assert not (crop.image[:2] > 100).any()


def test_a_box_without_ink_is_the_part_of_the_line() -> None:
    """A digit that the model saw where nothing is solid."""
    ink, marks = _page((80, 100))
    crop = crop_line(marks, [], ink)
    empty = LineDigit("0", 0.1, 0, 1)
    first, second = crop.boxes([empty, LineDigit("0", 1.0, 10, 16)])
    assert first[1] <= second[1]
    assert first[3] > first[1]
