"""Rendering of strokes as MNIST-like images."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.inference.classifier import Classifier
from edge_runtime.serving.http.errors import RequestError
from edge_runtime.serving.page.drawing import CENTRE, draw, parse_strokes
from train.data import Dataset

Points = list[list[float]]


def _arc(x: float, y: float, across: float, down: float, start: int, stop: int) -> Points:
    angles = [math.radians(start + (stop - start) * step / 24) for step in range(25)]
    return [[x + across * math.cos(angle), y + down * math.sin(angle)] for angle in angles]


# Two ways to write most digits: strokes, each a list of points.
DIGITS: list[tuple[str, list[Points]]] = [
    ("0", [_arc(0.5, 0.5, 0.2, 0.35, -90, 270)]),
    ("1", [[[0.5, 0.1], [0.5, 0.9]]]),
    ("1", [[[0.4, 0.25], [0.52, 0.1], [0.52, 0.9]]]),
    ("2", [[*_arc(0.5, 0.3, 0.2, 0.2, -180, 45), [0.3, 0.9], [0.72, 0.9]]]),
    ("3", [_arc(0.5, 0.3, 0.18, 0.2, -150, 90) + _arc(0.5, 0.7, 0.2, 0.2, -90, 150)]),
    ("4", [[[0.35, 0.1], [0.25, 0.55], [0.7, 0.55]], [[0.6, 0.1], [0.6, 0.9]]]),
    ("5", [[[0.7, 0.1], [0.35, 0.1], [0.32, 0.45], *_arc(0.47, 0.63, 0.22, 0.24, -120, 140)]]),
    ("6", [[[0.6, 0.08], [0.42, 0.3], [0.33, 0.55], *_arc(0.5, 0.7, 0.18, 0.2, -180, 180)]]),
    ("7", [[[0.25, 0.15], [0.75, 0.15], [0.4, 0.9]]]),
    ("7", [[[0.25, 0.15], [0.75, 0.15], [0.4, 0.9]], [[0.4, 0.5], [0.68, 0.5]]]),
    ("8", [_arc(0.5, 0.3, 0.16, 0.18, 90, -270) + _arc(0.5, 0.68, 0.2, 0.2, -90, 270)]),
    ("9", [[*_arc(0.5, 0.32, 0.18, 0.2, 0, -360), [0.66, 0.6], [0.58, 0.9]]]),
]


def _moved(strokes: list[Points], factor: float, right: float, down: float) -> list[Points]:
    return [[[factor * x + right, factor * y + down] for x, y in stroke] for stroke in strokes]


def _mass_centre(image: np.ndarray) -> tuple[float, float]:
    ink, places = image.astype(float), np.arange(28)
    return float((ink.sum(axis=1) * places).sum() / ink.sum()), float((ink.sum(axis=0) * places).sum() / ink.sum())


def _widths(images: np.ndarray) -> np.ndarray:
    """Stroke widths in pixels: twice the ink over its total variation, which is exact for a long straight stroke."""
    ink = np.pad(images / 255, ((0, 0), (1, 1), (1, 1)))
    down, right = ink[:, 1:, :-1] - ink[:, :-1, :-1], ink[:, :-1, 1:] - ink[:, :-1, :-1]
    return 2 * ink.sum(axis=(1, 2)) / np.hypot(down, right).sum(axis=(1, 2))


@pytest.mark.parametrize("model", ["small", "nano", "base"])
def test_drawn_digits_are_what_they_are(model: str) -> None:
    """Every model classifies every digit correctly, drawn large or small in a corner."""
    classifier = Classifier.load(model)
    for label, strokes in DIGITS:
        for factor, right, down in ((1, 0, 0), (0.25, 0.7, 0.02)):
            result = classifier.classify(draw(parse_strokes(_moved(strokes, factor, right, down))))
            assert (result.label, result.confidence > 0.5) == (label, True)


@given(st.sampled_from(DIGITS), st.floats(0.15, 1), st.floats(0, 1), st.floats(0, 1))
def test_place_and_size_on_the_pad_change_nothing(
    digit: tuple[str, list[Points]], factor: float, right: float, down: float
) -> None:
    """The same strokes at any position and size from a sixth of the pad give the same image, up to rounding."""
    moved = _moved(digit[1], factor, right * (1 - factor), down * (1 - factor))
    difference = draw(parse_strokes(moved)).astype(int) - draw(parse_strokes(digit[1]))
    assert np.abs(difference).mean() < 1


@given(st.lists(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)).map(list), min_size=1, max_size=12), min_size=1, max_size=5))
def test_any_strokes_are_in_mnists_form(strokes: list[Points]) -> None:
    """The ink is within 20x20 pixels, centred by centre of mass as far as the image allows, with full ink somewhere."""
    image = draw(parse_strokes(strokes))
    assert (image.dtype, image.shape) == (np.uint8, (28, 28))
    assert image.max() > 150
    rows, columns = np.nonzero(image)
    assert max(np.ptp(rows), np.ptp(columns)) <= 21  # 20 pixels, half covered at both ends
    for centre, places in zip(_mass_centre(image), (rows, columns), strict=True):
        assert abs(centre - CENTRE) < 0.25 or places.min() <= 1 or places.max() >= 26


def test_strokes_are_as_wide_as_mnists(mnist: Dataset) -> None:
    """The median stroke width of drawings is within 5 % of that of the validation images."""
    drawn = np.stack([draw(parse_strokes(strokes)) for _, strokes in DIGITS])
    assert np.median(_widths(drawn)) == pytest.approx(np.median(_widths(mnist.x_train[-5000:])), rel=0.05)


def test_a_dot_stays_a_dot() -> None:
    """A tap on the pad stays small."""
    image = draw(parse_strokes([[[0.9, 0.9]]]))
    assert np.count_nonzero(image) < 20
    assert _mass_centre(image) == pytest.approx((CENTRE, CENTRE), abs=0.1)


@pytest.mark.parametrize(
    ("strokes", "cause"),
    [
        (None, "'strokes' is null, expected an array"),
        ([], "at least one stroke"),
        ([[]], "at least one point"),
        ([5], "a stroke is an integer"),
        ([[5]], "two numbers"),
        ([[[0.5]]], "two numbers"),
        ([[[0.5, True]]], "two numbers"),
        ([[[0.5, "1"]]], "two numbers"),
        ([[[0.5, 0.5, 0.5]]], "two numbers"),
        ([[[0.5, 9]]], "outside"),
        ([[[0.5, 1e308]]], "outside"),
        ([[[0.5, float("nan")]]], "outside"),
        ([[[0.5, -(10**400)]]], "outside"),
        ([[[0.5, 0.5]] * 20_001], "at most 20,000 points"),
        ([[None]] * 2_001, "2,001 strokes, more than 2,000"),  # before any point is looked at
        ([[[0, 0], [1, 1], [0, 1], [1, 0]] * 600], "more than 2,000; draw a single digit"),
    ],
)
def test_what_is_no_drawing_is_refused(strokes: object, cause: str) -> None:
    """The error states what is wrong."""
    with pytest.raises(RequestError, match=cause):
        draw(parse_strokes(strokes))
