"""The ground, and the ink's contrast with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime.preprocessing.background import estimate_background, estimate_contrast, is_light_on_dark, robust_std

SHAPE = (300, 400)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
LIGHTS = {
    "even": np.ones(SHAPE, np.float32),
    "slope": 1 - 0.6 * X / X.max(),
    "lamp": 1 / (1 + np.hypot(X - 100, Y - 80) ** 2 / 200**2),
    "shadow": 0.7 + 0.3 * np.tanh((X + Y - 300) / 15),
}
STROKES = ((np.abs(X - Y - 40) < 15) | (np.abs(Y - 150) < 12)) & (np.hypot(X - 200, Y - 150) < 90)


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("ink", [0.3, 2.5])
def test_the_ground_is_what_lies_under_the_ink(light: str, ink: float) -> None:
    """Light that falls off to less than half and a thick cross, dark or light, leave the ground within an eighth nearly everywhere."""
    sheet = 90 * LIGHTS[light]
    ground = estimate_background(np.where(STROKES, sheet * ink, sheet).astype(np.float32))
    assert ground.shape == SHAPE
    assert np.quantile(np.abs(ground / sheet - 1), 0.95) < 0.125


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize(("ink", "contrast"), [(0.3, 0.7), (2.5, 1.5)])
def test_contrast_is_the_same_in_light_and_in_shadow(light: str, ink: float, contrast: float) -> None:
    """Ink on paper whose brightness is known, with noise: dark and light ink are told apart, and its contrast is that of the pigments."""
    noise = np.random.default_rng(0).normal(0, 4, SHAPE)
    sheet = 90 * LIGHTS[light]
    grey = (np.where(STROKES, sheet * ink, sheet) + noise).astype(np.float32)
    found = estimate_contrast(grey, estimate_background(grey))
    assert found.light == (ink > 1)
    assert np.median(found.ink[STROKES]) == pytest.approx(contrast, rel=0.15)
    assert abs(np.median(found.ink[~STROKES])) < 0.03


def test_a_few_pixels_of_ink_decide_what_is_ink() -> None:
    """A hundredth of a percent of dark pixels among noise of both signs."""
    noise = np.random.default_rng(1).normal(0, 0.05, (300, 400)).astype(np.float32)
    for sign in (-1, 1):
        noise[100:103, 100:104] = sign * 0.7
        assert is_light_on_dark(noise) == (sign > 0)


def test_spread_passes_over_ink() -> None:
    """The noise's standard deviation, though a twentieth of the values are something else; 0 for none."""
    values = np.random.default_rng(2).normal(3, 2, 50_000).astype(np.float32)
    values[::20] = 200
    assert robust_std(values) == pytest.approx(2.0, rel=0.15)
    assert robust_std(np.zeros((1, 1), np.float32)) == 0


@settings(max_examples=30)
@given(
    grey=st.tuples(st.integers(1, 80), st.integers(1, 80)).flatmap(
        lambda shape: arrays(np.float32, shape, elements=st.floats(0, 255, width=32))
    )
)
def test_any_image_has_a_ground_and_a_contrast(grey: np.ndarray) -> None:
    """Of its shape, without NaN."""
    ground = estimate_background(grey)
    contrast = estimate_contrast(grey, ground).ink
    assert ground.shape == contrast.shape == grey.shape
    assert np.isfinite(ground).all()
    assert np.isfinite(contrast).all()
