"""Separate ink from an even background by one threshold, for small or tightly cropped pictures whose digit fills the frame."""

import numpy as np
from numpy.typing import NDArray

from edge_runtime.preprocessing.background import BLACK, Contrast
from edge_runtime.preprocessing.connected_components import Components, find_components
from edge_runtime.preprocessing.resampling import smooth
from edge_runtime.preprocessing.segmentation import Strokes, strokes_of

Floats = NDArray[np.float32]

SMOOTHED = 60
"""Minimum longer side of a picture that is smoothed before its threshold is estimated."""
CORNER = 1 / 16
"""Side of the squares in the corners, as a fraction of the shorter side."""
UNSURE_POLARITY = (1.2, 1.8)
"""Sums of light fractions between which either class may be ink."""
MIN_LEVELS = 8
"""Minimum difference between ink and background, in grey levels."""
NOISE = (0.38, 0.8)
"""Maximum fraction of neighbouring pixels in different classes, and what a side of N pixels adds to it, times N: half of all in noise."""
TALL = 0.75
"""Minimum height of a digit beside another, as a fraction of all ink's."""
SPECK = 0.03
"""Minimum area of a stroke, as a fraction of the largest one's."""


def otsu_threshold(values: Floats) -> float:
    """The grey level that splits values into two classes with the largest between-class variance.

    N. Otsu, "A threshold selection method from gray-level histograms", IEEE SMC 9 (1979).
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    counts = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)
    below, above = sums[:-1] / counts, (sums[-1] - sums[:-1]) / (len(ordered) - counts)
    between = counts * (len(ordered) - counts) * (above - below) ** 2
    best = int(between.argmax()) if len(counts) else 0
    return float(ordered[best : best + 2].mean())


def light_fractions(light: NDArray[np.bool_]) -> float:
    """The light fractions of the border, the corners and the whole picture, added: 0 to 3; above 1.5 where the background is light.

    A digit that fills its frame touches the border, but covers less than half of it, and hardly a corner.

    Args:
        light: bool [H, W], which pixels are above the threshold.
    """
    border = np.concatenate([light[0], light[-1], light[1:-1, 0], light[1:-1, -1]])
    side = max(1, int(min(light.shape) * CORNER))
    corners = [light[rows, columns] for rows in (slice(side), slice(-side, None)) for columns in (slice(side), slice(-side, None))]
    return float(border.mean() + np.mean([corner.mean() for corner in corners]) + light.mean())


def separability(grey: Floats, light: NDArray[np.bool_]) -> float:
    """How well two levels explain a picture: the share of its variance that lies between its two classes, 0 to 1."""
    share, variance = float(light.mean()), float(grey.var(dtype=np.float64))
    if share in (0.0, 1.0) or variance == 0:
        return 0.0
    difference = float(grey[light].mean(dtype=np.float64) - grey[~light].mean(dtype=np.float64))
    return share * (1 - share) * difference**2 / variance


def threshold_ink(grey: Floats, threshold: float, light: bool) -> tuple[Floats, Contrast, Strokes] | None:
    """Find a digit that is the ink of the whole picture.

    Args:
        grey: float32 [H, W], 0 to 255.
        threshold: between its two classes, by Otsu's method.
        light: whether the ink is lighter than the background.

    Returns:
        The background, float32 [H, W], the same everywhere; the contrast with it; and the strokes. None without two classes, or for noise.
    """
    if _is_noise(grey > threshold):
        return None
    if max(grey.shape) >= SMOOTHED:
        grey = smooth(grey)
        threshold = otsu_threshold(grey)
    upper, lower = grey[grey > threshold], grey[grey <= threshold]
    if not len(upper) or not len(lower):
        return None
    bright, dark = float(np.median(upper)), float(np.median(lower))
    if bright - dark < MIN_LEVELS:
        return None
    paper, ink_level = (dark, bright) if light else (bright, dark)
    ink = np.asarray((grey - paper) / (ink_level - paper), np.float32)
    scale = abs(paper - ink_level) / max(paper, BLACK)
    strokes = _strokes(find_components(ink > 0.5, ink), scale)
    return np.full_like(grey, paper), Contrast(ink * np.float32(scale), light), strokes


def _is_noise(classes: NDArray[np.bool_]) -> bool:
    changes = [float((line[1:] != line[:-1]).mean()) for line in (classes, classes.T) if len(line) > 1]
    return bool(changes) and float(np.mean(changes)) > NOISE[0] + NOISE[1] / max(classes.shape)


def _strokes(components: Components, contrast: float) -> Strokes:
    chosen = np.flatnonzero(components.areas >= SPECK * components.areas.max())
    boxes = components.boxes[chosen]
    height = boxes[:, 2].max() - boxes[:, 0].min()
    tall = boxes[boxes[:, 2] - boxes[:, 0] >= TALL * height]
    return strokes_of(components, chosen, contrast, max(0, _groups_side_by_side(tall) - 1))


def _groups_side_by_side(boxes: NDArray[np.int64]) -> int:
    """The number of groups of boxes, [N, 4], between which a column is free."""
    order = boxes[boxes[:, 1].argsort(kind="stable")]
    reached = np.maximum.accumulate(order[:, 3])
    return len(order) and 1 + int((order[1:, 1] > reached[:-1]).sum())
