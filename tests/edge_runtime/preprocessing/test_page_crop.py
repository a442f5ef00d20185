"""A sheet on a table is found; light that only looks like one is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_runtime.preprocessing.global_threshold import otsu_threshold
from edge_runtime.preprocessing.page_crop import find_page, without_padding

Y, X = np.mgrid[:300, :400].astype(np.float32)


def _table(angle: float, width: int = 200, height: int = 180) -> np.ndarray:
    """A light sheet in the middle of a dark table, turned."""
    sheet = Image.new("L", (400, 300), 60)
    sheet.paste(210, (200 - width // 2, 150 - height // 2, 200 + width // 2, 150 + height // 2))
    noise = np.random.default_rng(0).normal(0, 8, (300, 400))
    return (np.asarray(sheet.rotate(angle, Image.Resampling.BICUBIC, fillcolor=60)) + noise).astype(np.float32)


@pytest.mark.parametrize("angle", [0, -4, 8])
def test_a_sheet_with_table_all_around_is_cut_out(angle: float) -> None:
    """Within a few pixels; next to no table is left."""
    table = _table(angle)
    box = find_page(table)
    assert box
    sheet = table[box[0] : box[2], box[1] : box[3]]
    assert 160 < sheet.shape[0] < 215
    assert 180 < sheet.shape[1] < 235
    assert np.mean(sheet < 130) < 0.15
    assert np.median(sheet) == pytest.approx(210, abs=3)


LIGHTS = {
    "even": 200 + 0 * X,
    "lamp": 220 / (1 + np.hypot(X - 200, Y - 150) ** 2 / 120**2),
    "slope": 60 + 0.4 * X,
    "shadow": np.where(X + Y > 300, 210, 70),
    "corner": np.where((X > 150) & (Y > 100), 210, 60),
    "sheet beyond the border": np.where((X > 40) & (X < 350), 210, 60),
}


@pytest.mark.parametrize("light", LIGHTS)
def test_light_and_shadow_are_no_sheet(light: str) -> None:
    """Nor is a sheet that does not lie in the picture as a whole: all of it stays."""
    grey = (LIGHTS[light] + np.random.default_rng(1).normal(0, 8, X.shape)).astype(np.float32)
    assert find_page(grey) is None


def test_a_light_digit_on_dark_ground_is_no_sheet() -> None:
    """However thick it is: a bar for a 1, a ring for a 0."""
    for ink in ((np.abs(X - 200) < 35) & (np.abs(Y - 150) < 120), np.abs(np.hypot(X - 200, Y - 150) - 80) < 35):
        grey = np.where(ink, 230, 40).astype(np.float32)
        assert find_page(grey) is None


@given(low=st.integers(1, 200), count=st.integers(1, 30), others=st.integers(1, 30))
def test_two_groups_are_parted_between_them(low: int, count: int, others: int) -> None:
    """Whatever their sizes."""
    values = np.array([low] * count + [low + 50] * others, np.float32)
    assert low < otsu_threshold(values) < low + 50
    assert otsu_threshold(np.full(3, low, np.float32)) == low


def test_padding_is_cut_off_and_paper_is_not() -> None:
    """Padding ends where paper of another level begins; a digit on its own paper, or a thick stroke, is no padded picture."""
    paper = np.full((40, 30), 180, np.float32)
    paper[10:30, 12:18] = 40
    padded = np.pad(paper, ((3, 7), (0, 9)), constant_values=255)
    assert np.array_equal(without_padding(padded), paper)
    assert without_padding(paper) is paper
    stroke = np.full((40, 30), 255, np.float32)
    stroke[5:35, 10:20] = 0
    assert without_padding(stroke) is stroke
    even = np.zeros((3, 5), np.float32)
    assert without_padding(even) is even
