"""Which ink is taken for the digit."""

import numpy as np
import pytest

from edge_runtime.preprocessing.segmentation import find_digit
from tests.conftest import draw_digit


def _page(*digits: tuple[int, int, int], scale: int = 4, shape: tuple[int, int] = (300, 400), noise: float = 0.03) -> np.ndarray:
    """Ink with a contrast of 0.6: digits of five by seven dots at (label, row, column), each dot 3 * scale pixels, and noise."""
    ink = np.random.default_rng(0).normal(0, noise, shape)
    for label, row, column in digits:
        glyph = np.kron(draw_digit(label, 0, 0)[:21, :15], np.ones((scale, scale))) / 255
        ink[row : row + glyph.shape[0], column : column + glyph.shape[1]] += 0.6 * glyph
    return ink.astype(np.float32)


def test_a_digit_is_found_with_its_box_and_its_contrast() -> None:
    """Within a pixel, and within a tenth."""
    strokes = find_digit(_page((7, 100, 200)))
    assert strokes is not None
    assert strokes.box == pytest.approx((100, 200, 184, 260), abs=1)
    assert strokes.contrast == pytest.approx(0.6, rel=0.1)
    assert (strokes.others, strokes.cut) == (0, False)
    assert strokes.mask.sum() == pytest.approx(0.6 * 84 * 60 / 2, rel=0.5)


@pytest.mark.parametrize("noise", [0, 0.01, 0.1])
def test_bare_paper_holds_no_digit(noise: float) -> None:
    """However noisy it is."""
    assert find_digit(np.random.default_rng(1).normal(0, noise, (300, 400)).astype(np.float32)) is None
    assert find_digit(np.zeros((1, 1), np.float32)) is None


def test_strokes_that_do_not_touch_are_one_digit() -> None:
    """A level gap of a tenth of the height parts no digit, nor one beside a piece that is not as tall: the flag of a 5."""
    for label, gap in ((8, (slice(140, 148), slice(None))), (5, (slice(100, 140), slice(222, 228)))):
        page = _page((label, 100, 200))
        page[gap] = 0
        strokes = find_digit(page)
        assert strokes is not None
        assert strokes.box == pytest.approx((100, 200, 184, 260), abs=1)
        assert strokes.others == 0


def test_specks_and_faint_smears_are_left_out() -> None:
    """A speck right beside the digit, and a larger but much fainter smear."""
    page = _page((3, 100, 200))
    page[140:143, 268:271] += 0.6
    page[200:290, 20:150] += 0.12
    strokes = find_digit(page)
    assert strokes is not None
    assert strokes.box == pytest.approx((100, 200, 184, 260), abs=1)
    assert strokes.others == 0


@pytest.mark.parametrize("count", [2, 3])
def test_other_digits_are_counted(count: int) -> None:
    """Side by side, a fifth of their height apart; one of them is taken."""
    strokes = find_digit(_page(*((label, 100, 40 + 80 * label) for label in range(1, 1 + count))))
    assert strokes is not None
    assert strokes.others == count - 1
    assert strokes.box[3] - strokes.box[1] <= 61


def test_the_largest_of_several_is_taken() -> None:
    """The one with the most ink."""
    page = np.maximum(_page((4, 30, 30), scale=2), _page((5, 100, 200), scale=5))
    strokes = find_digit(page)
    assert strokes is not None
    assert strokes.box == pytest.approx((100, 200, 205, 275), abs=1)


def test_what_lies_around_the_paper_is_no_digit() -> None:
    """A dark table at the border of the picture has much more ink than the digit."""
    page = _page((6, 100, 200))
    page[:, :60] = 0.8
    page[250:, :] = 0.8
    strokes = find_digit(page)
    assert strokes is not None
    assert strokes.box == pytest.approx((100, 200, 184, 260), abs=1)
    assert (strokes.others, strokes.cut) == (0, False)


def test_a_digit_at_the_border_is_told() -> None:
    """Cut off, or only touching."""
    strokes = find_digit(_page((2, 0, 200)))
    assert strokes is not None
    assert strokes.cut
