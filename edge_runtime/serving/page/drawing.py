"""Strokes of a pen to an image as MNIST has them.

MNIST's makers fitted each digit into a box of 20x20 pixels, kept its proportions, and put its centre of mass into the middle of 28x28
(LeCun, Cortes, Burges: the data set's page). Strokes are fitted and shifted first and drawn last, so the pen is equally wide whatever the
size of the drawing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import SIDE, Image
from edge_runtime.serving.http.errors import RequestError
from edge_runtime.serving.http.json_body import expect

# The median width of the strokes of MNIST's validation images is 2.3 pixels, measured as twice the ink over its total variation. What is
# drawn with this pen measures the same.
PEN = 2.4
BOX = 20.0
CENTRE = 14.0  # row and column of the centre of mass, on average over the validation images
_AT_ONCE = 32  # segments: tables of 100 KB, which stay in a small cache
_STEP = 0.5  # pixels between two points that are kept
_MOST_POINTS = 20_000
_MOST_SEGMENTS = 2_000
_LEAST_EXTENT = 0.1  # of the pad: a dot stays a dot

Stroke = NDArray[np.float64]
"""float64 [points, 2]: x to the right and y down, 0 to 1 over the pad."""


def parse_strokes(value: Any) -> list[Stroke]:
    """Strokes of a JSON array of arrays of [x, y].

    Raises:
        RequestError: it is none, holds nothing or too much, or a point lies outside of the pad by more than its size.
    """
    strokes = expect(list, value, "'strokes'")
    if sum(len(expect(list, stroke, "a stroke")) for stroke in strokes) > _MOST_POINTS:
        raise RequestError(f"a drawing has at most {_MOST_POINTS:,} points")
    if not strokes or not all(strokes):
        raise RequestError("a drawing has at least one stroke, and a stroke at least one point")
    return [_points(stroke) for stroke in strokes]


def draw(strokes: list[Stroke]) -> Image:
    """The drawing as uint8 [28, 28], 0 = background, 255 = ink: in a box of 20x20, its centre of mass in the middle.

    Raises:
        RequestError: the strokes together are far longer than a digit's.
    """
    fitted = _fit(strokes)
    starts, ends = _segments(fitted)
    image = _ink(starts, ends)
    shift = _to_centre(image, np.concatenate(fitted))
    return np.rint(255 * _ink(starts + shift, ends + shift)).astype(np.uint8)


def _points(stroke: list[Any]) -> Stroke:
    if any(type(point) is not list or len(point) != 2 or {*map(type, point)} - {int, float} for point in stroke):
        raise RequestError("a point is [x, y], two numbers")
    points = np.array([[float(max(-9, min(9, number))) for number in point] for point in stroke])
    if not (np.abs(points - 0.5) <= 1.5).all():
        raise RequestError("a point lies outside of the pad, which goes from 0 to 1")
    return points


def _fit(strokes: list[Stroke]) -> list[Stroke]:
    """In pixels: the pen's track fills the box but for half the pen's width on each side, around the middle of the field."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (BOX - PEN) / max(float((high - low).max()), _LEAST_EXTENT)
    return [_thin((stroke - (low + high) / 2) * scale + CENTRE) for stroke in strokes]


def _thin(stroke: Stroke) -> Stroke:
    """Without points that lie closer than a step to the one kept before; the last one is kept."""
    kept = [stroke[0]]
    for point in stroke[1:]:
        if np.abs(point - kept[-1]).max() >= _STEP:
            kept.append(point)
    return np.array([*kept, stroke[-1]])


def _segments(strokes: list[Stroke]) -> tuple[Stroke, Stroke]:
    starts = np.concatenate([stroke[:-1] for stroke in strokes])
    if len(starts) > _MOST_SEGMENTS:
        raise RequestError(f"the drawing is too dense for a digit: more than {_MOST_SEGMENTS:,} pieces of a line")
    return starts, np.concatenate([stroke[1:] for stroke in strokes])


def _ink(starts: Stroke, ends: Stroke) -> NDArray[np.float64]:
    """float64 [28, 28], 0 to 1: how much of each pixel a round pen covers, taken as linear in the distance to its rim."""
    rows, columns = (places.astype(np.float32) for places in np.divmod(np.arange(SIDE * SIDE), SIDE))
    nearest = np.full(SIDE * SIDE, np.inf, np.float32)
    for first in range(0, len(starts), _AT_ONCE):
        start = starts[first : first + _AT_ONCE].astype(np.float32)[:, :, None]
        along = (ends - starts)[first : first + _AT_ONCE].astype(np.float32)[:, :, None]
        x, y = columns - start[:, 0], rows - start[:, 1]
        length = np.maximum((along**2).sum(axis=1), 1e-6)
        part = ((x * along[:, 0] + y * along[:, 1]) / length).clip(0, 1)
        x -= part * along[:, 0]
        y -= part * along[:, 1]
        nearest = np.minimum(nearest, (x * x + y * y).min(axis=0))
    return (PEN / 2 + 0.5 - np.sqrt(nearest.astype(np.float64))).clip(0, 1).reshape(SIDE, SIDE)


def _to_centre(image: NDArray[np.float64], points: Stroke) -> NDArray[np.float64]:
    """[x, y] that brings the centre of mass into the middle, as far as the ink stays in the field."""
    places = np.arange(SIDE)
    mass = image.sum()
    centre = np.array([(image.sum(axis=0) * places).sum(), (image.sum(axis=1) * places).sum()]) / mass
    margin = PEN / 2
    low, high = margin - points.min(axis=0), SIDE - 1 - margin - points.max(axis=0)
    shift: NDArray[np.float64] = np.clip(CENTRE - centre, low, high)
    return shift
