"""Augmentation: distortions follow the drawn numbers, results are valid images, and views are reproducible."""

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.conftest import draw_digit, invent_digits
from train.backend import tf
from train.config.training_config import Augmentation
from train.loop.augmentation import CENTRE, GRID, augment, draw_view

IMAGES, _ = invent_digits(20, seed=3)
EVERYTHING = Augmentation(rotation=30, shear=0.3, zoom=0.3, shift=4, elastic=1.5)


def _augment(images: NDArray[Any], moves: tuple[Any, Any]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = augment(tf.constant(images, tf.float32), *moves).numpy()
    return found


def _moves(augmentation: Augmentation, drawn: list[float], count: int = 1) -> tuple[Any, Any]:
    """The result of `draw_view` for these six numbers per image."""
    numbers = tf.tile(tf.constant(drawn, tf.float32)[:, None], (1, count))
    with patch("tensorflow.random.stateless_uniform", lambda *_: numbers):
        return draw_view(augmentation, count, seed=0, view=0)


def _blob(x: float, y: float) -> NDArray[np.float64]:
    """A smooth round spot, x pixels right of the centre and y below it."""
    rows, columns = np.mgrid[:28, :28] - CENTRE
    return 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4.5)


def _place(image: NDArray[Any]) -> NDArray[np.float64]:
    """Centre of mass of an image, from the image's centre: x, y."""
    rows, columns = np.mgrid[:28, :28] - CENTRE
    return np.array([np.sum(image * columns), np.sum(image * rows)]) / np.sum(image)


@pytest.mark.parametrize("seed", [0, 7])
def test_ranges_of_zero_move_nothing(seed: int) -> None:
    """All pixels are equal, bit for bit."""
    moves = draw_view(Augmentation(), 20, seed, view=1)
    assert moves[1] is None
    np.testing.assert_array_equal(_augment(IMAGES, moves), IMAGES)


def test_a_grid_that_bends_nothing_moves_nothing() -> None:
    """The elastic path samples each pixel at its own position."""
    transforms, _ = draw_view(Augmentation(), 20, 0, 0)
    np.testing.assert_array_equal(_augment(IMAGES, (transforms, tf.zeros((20, GRID, GRID, 2)))), IMAGES)


@pytest.mark.parametrize(
    ("drawn", "rows", "columns"), [([0, 0, 0, 0, 1, 0], 0, -3), ([0, 0, 0, 0, 0, 1], -3, 0), ([0, 0, 0, 0, -1, -1], 3, 3)]
)
def test_a_shift_by_whole_pixels_is_exact_and_brings_in_background(drawn: list[float], rows: int, columns: int) -> None:
    """A white image gets black edges, and a digit is shifted unchanged."""
    digit, white = draw_digit(4, 3, 6), np.full((28, 28), 255, np.uint8)
    found = _augment(np.stack([digit, white]), _moves(Augmentation(shift=3), drawn, 2))
    np.testing.assert_array_equal(found[0], draw_digit(4, 3 + rows, 6 + columns))
    expected = np.zeros((28, 28))
    expected[max(0, rows) : 28 + min(0, rows), max(0, columns) : 28 + min(0, columns)] = 255
    np.testing.assert_array_equal(found[1], expected)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_rotation_is_about_the_centre_of_the_image(degrees: float, turns: int) -> None:
    """A quarter turn maps pixels onto pixels; the largest number turns to the left."""
    moves = _moves(Augmentation(rotation=abs(degrees)), [np.sign(degrees), 0, 0, 0, 0, 0], 20)
    np.testing.assert_array_equal(_augment(IMAGES, moves), np.rot90(IMAGES, turns, axes=(1, 2)))


NUMBER = st.floats(-1, 1, width=32)
OFFSET = st.floats(-5, 5)


@settings(max_examples=50)
@given(drawn=st.tuples(*[NUMBER] * 6), x=OFFSET, y=OFFSET)
def test_a_spot_goes_where_geometry_says(drawn: tuple[float, ...], x: float, y: float) -> None:
    """Translation, then rotation, shear and zoom about the centre, as by matrices: within a tenth of a pixel."""
    limits = Augmentation(rotation=25, shear=0.2, zoom=0.1, shift=2, stretch=0.1)
    angle = np.radians(limits.rotation * drawn[0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    slant = np.array([[1, limits.shear * drawn[1]], [0, 1]])
    zoom = np.diag([1 + (limits.zoom + limits.stretch) * drawn[2], 1 + limits.zoom * drawn[3]])
    expected = zoom @ np.linalg.inv(turn @ slant) @ (np.array([x, y]) - limits.shift * np.array(drawn[4:]))
    found = _augment(_blob(x, y)[None], _moves(limits, list(drawn)))[0]
    np.testing.assert_allclose(_place(found), expected, atol=0.1)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31 - 1), view=st.integers(0, 10_000))
def test_both_ways_to_sample_agree(seed: int, view: int) -> None:
    """TensorFlow's operation, and the elastic one with zero displacements: equal up to rounding."""
    transforms, _ = draw_view(Augmentation(180, 1, 0.9, 14), 20, seed, view)
    bent = _augment(IMAGES, (transforms, tf.zeros((20, GRID, GRID, 2))))
    assert np.abs(bent - _augment(IMAGES, (transforms, None))).max() <= 1


AUGMENTATIONS = st.builds(Augmentation, st.floats(0, 180), st.floats(0, 2), st.floats(0, 0.9), st.floats(0, 14), st.floats(0, 14))


@settings(max_examples=25)
@given(augmentation=AUGMENTATIONS, seed=st.integers(0, 2**31 - 1), view=st.integers(0, 10_000))
def test_a_view_is_an_image_as_any_other(augmentation: Augmentation, seed: int, view: int) -> None:
    """Whole grey levels from 0 to 255 for all ranges; the same view has the same pixels."""
    noise = np.random.RandomState(seed).randint(0, 256, (3, 28, 28))
    found = _augment(noise, draw_view(augmentation, 3, seed, view))
    assert (found.dtype, found.shape) == (np.float32, (3, 28, 28))
    assert found.min() >= 0
    assert found.max() <= 255
    np.testing.assert_array_equal(found, np.round(found))
    np.testing.assert_array_equal(found, _augment(noise, draw_view(augmentation, 3, seed, tf.constant(view))))


@pytest.mark.parametrize(
    "augmentation", [EVERYTHING, Augmentation(shift=3), Augmentation(elastic=1)], ids=["all", "shift", "elastic"]
)
def test_other_views_seeds_and_images_are_moved_in_other_ways(augmentation: Augmentation) -> None:
    """Twenty copies of one image in two views of two seeds: eighty different images."""
    copies = np.repeat(IMAGES[:1], 20, axis=0)
    found = [image for seed in (0, 1) for view in (0, 1) for image in _augment(copies, draw_view(augmentation, 20, seed, view))]
    assert len({image.tobytes() for image in found}) == 80


def test_amounts_are_uniform_in_their_ranges() -> None:
    """Of 4,000 images: none outside the range, a quarter in each quarter."""
    count = 4_000
    turned, _ = draw_view(Augmentation(rotation=20), count, 0, 0)
    slanted, _ = draw_view(Augmentation(shear=0.3), count, 1, 0)
    zoomed, _ = draw_view(Augmentation(zoom=0.5), count, 2, 0)
    shifted, _ = draw_view(Augmentation(shift=3), count, 3, 0)
    for amounts, most in (
        (np.degrees(np.arctan2(turned[:, 3], turned[:, 0])), 20),
        (slanted[:, 1], 0.3),
        (1 / zoomed[:, 0] - 1, 0.5),
        (1 / zoomed[:, 4] - 1, 0.5),
        (shifted[:, 2], 3),
        (shifted[:, 5], 3),
    ):
        counts, _ = np.histogram(amounts, bins=4, range=(-most * 1.0001, most * 1.0001))
        assert counts.sum() == count
        assert np.abs(counts / count - 0.25).max() < 0.03


def test_elastic_is_a_standard_deviation_in_pixels() -> None:
    """Of the grid's points, in both directions; neighbouring pixels move nearly alike, so strokes do not break."""
    _, grids = draw_view(Augmentation(elastic=1.5), 2_000, 0, 0)
    assert np.std(grids, axis=(0, 1, 2)) == pytest.approx([1.5, 1.5], rel=0.03)
    assert np.mean(grids, axis=(0, 1, 2)) == pytest.approx([0, 0], abs=0.03)
    slope = np.broadcast_to(np.arange(28) * 9, (50, 28, 28))  # its grey levels say from which column a pixel came
    came_from = _augment(slope, draw_view(Augmentation(elastic=1), 50, 0, 0))[:, 4:-4, 4:-4] / 9
    moved = came_from - np.arange(4, 24)
    assert 0.5 < np.std(moved) < 1.1
    assert np.std(np.diff(moved, axis=2)) < 0.35 * np.std(moved)
