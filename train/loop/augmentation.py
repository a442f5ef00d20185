"""Augmentation inside tf.data: random distortions that depend on seed, view and image index only.

All random operations are stateless, so a resumed run gets exactly the same pixels. A teacher that computes the same view in another process
does too, but for about one pixel in 100,000, which differs by one grey level.
"""

import math
from typing import Any

from edge_runtime.common.pixels import SIDE
from train.backend import tf
from train.config.training_config import Augmentation

CENTRE = (SIDE - 1) / 2
GRID = 5  # points of the elastic grid along each side
_AFFINE, _ELASTIC = 1, 2  # separate streams of random numbers


def draw_view(augmentation: Augmentation, count: int, seed: int, view: Any) -> tuple[Any, Any | None]:
    """Draw the distortions of `count` images for one view, whose number is an int or an integer tensor.

    Returns:
        Affine transforms, float32 [count, 8], from output to input pixels as ImageProjectiveTransformV3 takes them; and displacements
        of the elastic grid in pixels, float32 [count, GRID, GRID, 2], or None if `augmentation.elastic` is 0.
    """
    transforms = _transforms(augmentation, tf.random.stateless_uniform((6, count), _stream(seed, view, _AFFINE), -1.0, 1.0))
    if not augmentation.elastic:
        return transforms, None
    return transforms, augmentation.elastic * tf.random.stateless_normal((count, GRID, GRID, 2), _stream(seed, view, _ELASTIC))


def augment(images: Any, transforms: Any, grids: Any | None) -> Any:
    """Distort images, with bilinear interpolation; pixels from outside are background.

    Args:
        images: float32 [N, 28, 28], values 0 to 255.
        transforms: affine transforms of `draw_view`.
        grids: elastic displacements of `draw_view`.

    Returns:
        float32 [N, 28, 28], rounded to whole grey levels.
    """
    return tf.round(_project(images, transforms) if grids is None else _warp(images, transforms, grids))


def _stream(seed: int, view: Any, use: int) -> Any:
    return tf.stack([tf.constant(seed, tf.int64), tf.cast(view, tf.int64) * 4 + use])


def _transforms(augmentation: Augmentation, drawn: Any) -> Any:
    """Affine transforms: translation, then rotation, shear and zoom about the centre; `drawn` is float32 [6, N], uniform in -1 to 1."""
    angle = drawn[0] * augmentation.rotation * math.pi / 180
    shear = drawn[1] * augmentation.shear
    wider = augmentation.zoom + augmentation.stretch
    across, down = 1 / (1 + drawn[2] * wider), 1 / (1 + drawn[3] * augmentation.zoom)
    a, b = tf.cos(angle) * across, (shear * tf.cos(angle) - tf.sin(angle)) * down
    c, d = tf.sin(angle) * across, (shear * tf.sin(angle) + tf.cos(angle)) * down
    x = CENTRE + drawn[4] * augmentation.shift - a * CENTRE - b * CENTRE
    y = CENTRE + drawn[5] * augmentation.shift - c * CENTRE - d * CENTRE
    zeros = tf.zeros_like(a)
    return tf.stack([a, b, x, c, d, y, zeros, zeros], axis=1)


def _project(images: Any, transforms: Any) -> Any:
    """Apply affine transforms."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images[..., None],
        transforms=transforms,
        output_shape=[SIDE, SIDE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[..., 0]


def _warp(images: Any, transforms: Any, grids: Any) -> Any:
    """Apply affine and elastic distortion in one resampling; the grid is interpolated bicubically (U-Net, arXiv 1505.04597)."""
    bend = tf.image.resize(grids, (SIDE, SIDE), method="bicubic")
    row, column = tf.meshgrid(tf.range(SIDE, dtype=tf.float32), tf.range(SIDE, dtype=tf.float32), indexing="ij")
    a, b, x, c, d, y = (transforms[:, index, None, None] for index in range(6))
    return _sample(images, c * column + d * row + y + bend[..., 0], a * column + b * row + x + bend[..., 1])


def _sample(images: Any, rows: Any, columns: Any) -> Any:
    """Sample images [N, 28, 28] bilinearly at positions [N, 28, 28]; positions outside are clipped into a border of zeros."""
    side = SIDE + 2
    flat = tf.reshape(tf.pad(images, [[0, 0], [1, 1], [1, 1]]), [-1])
    rows = tf.clip_by_value(rows + 1, 0.0, side - 1.001)
    columns = tf.clip_by_value(columns + 1, 0.0, side - 1.001)
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = rows - top, columns - left
    start = tf.range(tf.shape(images)[0])[:, None, None] * side**2 + tf.cast(top, tf.int32) * side + tf.cast(left, tf.int32)
    upper = tf.gather(flat, start) * (1 - right) + tf.gather(flat, start + 1) * right
    lower = tf.gather(flat, start + side) * (1 - right) + tf.gather(flat, start + side + 1) * right
    return upper * (1 - down) + lower * down
