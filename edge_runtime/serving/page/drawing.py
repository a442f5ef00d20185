"""Render pen strokes as MNIST-like images.

MNIST's digits were scaled to a box of 20x20 pixels with their proportions kept, and centred by centre of mass in 28x28 pixels (LeCun,
Cortes, Burges: the data set's page). Strokes are scaled and shifted before they are drawn, so that the width of the pen does not depend on
the size of the drawing.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import SIDE, Image
from edge_runtime.serving.http.errors import RequestError
from edge_runtime.serving.http.json_body import expect

# The median stroke width of MNIST's validation images is 2.3 pixels, measured as twice the ink over its total variation. Drawings with this
# pen measure the same.
PEN = 2.4
BOX = 20.0
CENTRE = 14.0  # row and column of the centre of mass, on average over the validation images
_CHUNK = 32  # segments: arrays of 100 KB, which fit a small cache
_STEP = 0.5  # minimum pixels between two points
_MAX_POINTS = 20_000
_MAX_SEGMENTS = 2_000
_MIN_EXTENT = 0.1  # of the pad, so that a dot stays a dot

Stroke = NDArray[np.float64]
"""float64 [points, 2]: x to the right and y down, 0 to 1 across the pad."""


def parse_strokes(value: Any) -> list[Stroke]:
    """Parse a JSON array of strokes, each an array of points [x, y].

    Raises:
        RequestError: it is not such an array, is empty or too long, or a point is more than the pad's size outside of it.
    """
    strokes = expect(list, value, "'strokes'")
    if len(strokes) > _MAX_SEGMENTS:
        raise _too_many(len(strokes), "strokes")
    if sum(len(expect(list, stroke, "a stroke")) for stroke in strokes) > _MAX_POINTS:
        raise RequestError(f"a drawing has at most {_MAX_POINTS:,} points")
    if not strokes or not all(strokes):
        raise RequestError("a drawing has at least one stroke, and a stroke at least one point")
    return [_points(stroke) for stroke in strokes]


def draw(strokes: list[Stroke]) -> Image:
    """Render strokes as uint8 [28, 28], 0 = background, 255 = ink: scaled to a box of 20x20, centred by centre of mass.

    Raises:
        RequestError: the strokes have more than 2,000 segments.
    """
    fitted = _scale_to_box(strokes)
    starts, ends = _segments(fitted)
    image = _ink(starts, ends)
    shift = _centring_shift(image, np.concatenate(fitted))
    return np.rint(255 * _ink(starts + shift, ends + shift)).astype(np.uint8)


def _points(stroke: list[Any]) -> Stroke:
    numbers = list(itertools.chain.from_iterable(point for point in stroke if type(point) is list and len(point) == 2))
    if len(numbers) != 2 * len(stroke) or {*map(type, numbers)} - {int, float}:
        raise RequestError("a point is [x, y], two numbers")
    points = np.array([float(max(-9, min(9, number))) for number in numbers]).reshape(-1, 2)
    if not (np.abs(points - 0.5) <= 1.5).all():
        raise RequestError("a point is outside the pad, whose coordinates go from 0 to 1")
    return points


def _scale_to_box(strokes: list[Stroke]) -> list[Stroke]:
    """Scale strokes to pixels: the drawing with its pen fills the box, around the centre of the image."""
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (BOX - PEN) / max(float((high - low).max()), _MIN_EXTENT)
    return [_thin((stroke - (low + high) / 2) * scale + CENTRE) for stroke in strokes]


def _thin(stroke: Stroke) -> Stroke:
    """Drop points closer than a step to the previous one; the last point is kept."""
    (x, y), kept = stroke[0].tolist(), [0]
    for index, (right, down) in enumerate(stroke.tolist()):
        if abs(right - x) >= _STEP or abs(down - y) >= _STEP:
            x, y = right, down
            kept.append(index)
    return stroke[[*kept, len(stroke) - 1]]


def _segments(strokes: list[Stroke]) -> tuple[Stroke, Stroke]:
    starts = np.concatenate([stroke[:-1] for stroke in strokes])
    if len(starts) > _MAX_SEGMENTS:
        raise _too_many(len(starts), "line segments")
    return starts, np.concatenate([stroke[1:] for stroke in strokes])


def _too_many(count: int, what: str) -> RequestError:
    return RequestError(f"the drawing has {count:,} {what}, more than {_MAX_SEGMENTS:,}; draw a single digit")


def _ink(starts: Stroke, ends: Stroke) -> NDArray[np.float64]:
    """Coverage of each pixel by a round pen, float64 [28, 28], 0 to 1; linear in the distance to the pen's edge."""
    rows, columns = (places.astype(np.float32) for places in np.divmod(np.arange(SIDE * SIDE), SIDE))
    nearest = np.full(SIDE * SIDE, np.inf, np.float32)
    for first in range(0, len(starts), _CHUNK):
        start = starts[first : first + _CHUNK].astype(np.float32)[:, :, None]
        along = (ends - starts)[first : first + _CHUNK].astype(np.float32)[:, :, None]
        x, y = columns - start[:, 0], rows - start[:, 1]
        length = np.maximum((along**2).sum(axis=1), 1e-6)
        part = ((x * along[:, 0] + y * along[:, 1]) / length).clip(0, 1)
        x -= part * along[:, 0]
        y -= part * along[:, 1]
        nearest = np.minimum(nearest, (x * x + y * y).min(axis=0))
    return (PEN / 2 + 0.5 - np.sqrt(nearest.astype(np.float64))).clip(0, 1).reshape(SIDE, SIDE)


def _centring_shift(image: NDArray[np.float64], points: Stroke) -> NDArray[np.float64]:
    """The shift [x, y] that centres the centre of mass, limited so that the ink stays inside the image."""
    places = np.arange(SIDE)
    mass = image.sum()
    centre = np.array([(image.sum(axis=0) * places).sum(), (image.sum(axis=1) * places).sum()]) / mass
    margin = PEN / 2
    low, high = margin - points.min(axis=0), SIDE - 1 - margin - points.max(axis=0)
    shift: NDArray[np.float64] = np.clip(CENTRE - centre, low, high)
    return shift
