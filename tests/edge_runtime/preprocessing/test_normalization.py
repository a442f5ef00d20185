"""Strokes to MNIST's form."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_runtime.preprocessing.normalization import WIDTHS, centre, crop, fit, normalize_stroke_width, stroke_width, thicken
from train.data import Dataset


def _bar(height: int, width: int, margin: int = 10) -> np.ndarray:
    return np.pad(np.ones((height, width), np.float32), margin)


def test_mnist_is_as_the_constants_say(mnist: Dataset) -> None:
    """On the mean, centres of mass are on (14, 14), none is more than half a pixel off, and nine of ten stroke widths are in WIDTHS."""
    images = mnist.train.images[:5000].astype(np.float64)
    places = np.arange(28)
    total = images.sum(axis=(1, 2))
    middles = np.stack([(images.sum(axis=axis) * places).sum(axis=1) / total for axis in (2, 1)])
    assert middles.mean(axis=1) == pytest.approx((14, 14), abs=0.02)
    assert np.abs(middles - 14).max() < 0.53
    widths = [stroke_width(image / 255) for image in images[:1000]]
    inside = np.mean([WIDTHS[0] <= width <= WIDTHS[1] for width in widths])
    assert 0.88 < inside < 0.95


@given(height=st.integers(20, 90), width=st.integers(2, 15))
def test_the_width_of_a_bar_is_its_width(height: int, width: int) -> None:
    """But for its ends: twice the area by the whole edge."""
    assert stroke_width(_bar(height, width)) == pytest.approx(height * width / (height + width), rel=0.03)


def test_the_width_does_not_depend_on_how_soft_edges_are() -> None:
    """A blurred bar is as wide as the bar; nothing has no width."""
    bar = _bar(60, 10)
    soft = (bar[:, :-2] + bar[:, 1:-1] + bar[:, 2:]) / 3
    assert stroke_width(soft) == pytest.approx(stroke_width(bar), rel=0.03)
    assert stroke_width(np.zeros((5, 5), np.float32)) == 0


@pytest.mark.parametrize("amount", [-3, -2.5, -0.3, 0, 0.4, 1, 2.7, 6])
def test_thicker_and_thinner_by_any_amount(amount: float) -> None:
    """Each edge of a bar moves by the amount, in fractions of a pixel too."""
    before, after = _bar(60, 10), thicken(_bar(60, 10), amount)
    row = after[len(after) // 2]
    assert row.sum() == pytest.approx(before[40].sum() + 2 * amount, abs=1e-4)
    assert after.min() >= 0
    assert after.max() <= 1


@pytest.mark.parametrize("width", [1, 2, 4, 8, 12, 20, 30])
def test_strokes_get_a_width_that_mnist_has(width: int) -> None:
    """A square's outline, drawn finely or with a broad brush: between the limits in 20x20 pixels, and unchanged if it was."""
    fine = np.pad(np.ones((80, 80), np.float32), 10)
    fine[10 + width : 90 - width, 10 + width : 90 - width] = 0
    usual = normalize_stroke_width(fine)
    found = stroke_width(np.pad(fit(usual), 1))
    assert WIDTHS[0] - 0.25 < found < WIDTHS[1] + 0.35
    if WIDTHS[0] < width / 4 < WIDTHS[1]:
        assert np.array_equal(usual[1:-1, 1:-1], fine)


@given(height=st.integers(20, 200), width=st.integers(20, 200))
def test_the_longer_side_of_the_box_is_twenty_pixels(height: int, width: int) -> None:
    """Keeping proportions, and never less than a pixel; the bar stays full ink but for what its edges cut."""
    small = fit(_bar(height, width))
    assert max(small.shape) == 20
    assert min(small.shape) == max(1, round(20 * min(height, width) / max(height, width)))
    assert small.max() <= 1 + 1e-5
    assert small.mean() > 0.6


def test_nothing_stays_nothing() -> None:
    """A blank fine image is a blank image."""
    image = centre(fit(np.zeros((30, 40), np.float32)))
    assert (image.shape, image.dtype, int(image.max())) == ((28, 28), np.uint8, 0)


@given(seed=st.integers(0, 10_000), height=st.integers(1, 20), width=st.integers(1, 20))
def test_the_centre_of_mass_is_in_the_middle(seed: int, height: int, width: int) -> None:
    """As near to pixel (14, 14) as whole pixels allow, unless ink would leave the image; no ink is lost."""
    small = np.random.default_rng(seed).uniform(0, 1, (height, width)).astype(np.float32)
    image = centre(small).astype(float)
    assert image.sum() == pytest.approx(255 * small.sum(), abs=0.5 * small.size)
    assume(image.any())
    middles = [(image.sum(axis=1 - axis) @ np.arange(28)) / image.sum() for axis in (0, 1)]
    assert middles == pytest.approx([14, 14], abs=0.55)


def test_mnist_images_stay_what_they_are(mnist: Dataset) -> None:
    """Enlarged five times and brought back, 100 of them differ by few grey levels: box, place, widths and greys are MNIST's."""
    differences = []
    for image in mnist.validation.images[:100]:
        large = np.kron(image, np.ones((5, 5), np.uint8)).astype(np.float32) / 255
        rows, columns = np.flatnonzero(large.any(axis=1)), np.flatnonzero(large.any(axis=0))
        box = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
        back = centre(fit(normalize_stroke_width(crop(large, box, large[box[0] : box[2], box[1] : box[3]] > 0))))
        differences.append(np.abs(back.astype(float) - image).mean())
    assert np.median(differences) < 12
    assert np.mean(differences) < 16
