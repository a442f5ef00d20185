"""Resample images by sums over rows and columns, as Pillow does, but for float arrays."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def reduce(image: Floats, factor: int) -> Floats:
    """Means of squares of factor x factor pixels; the border is repeated to fill the last squares.

    Args:
        image: float32 [H, W].
        factor: 1 or more.

    Returns:
        float32 [ceil(H / factor), ceil(W / factor)].
    """
    return image if factor == 1 else row_means(row_means(image, factor), factor)


def row_means(image: Floats, factor: int) -> Floats:
    """The means of `factor` rows each, transposed: float32 [W, ceil(H / factor)]."""
    missing = -len(image) % factor
    padded = np.pad(image, ((0, missing), (0, 0)), mode="edge") if missing else image
    total = padded[::factor].copy()
    for start in range(1, factor):
        total += padded[start::factor]
    return np.ascontiguousarray(total.T / np.float32(factor))


def resize(cells: Floats, shape: tuple[int, ...], cell: int) -> Floats:
    """Enlarge means of squares of cell x cell pixels to float32 `shape`, by linear interpolation between the squares' centres."""
    down, across = (
        weights(length, 0.5 / cell - 0.5, 1 / cell, count, clamp=True) for length, count in zip(shape, cells.shape, strict=True)
    )
    return np.asarray(down @ cells @ across.T, np.float32)


def weights(length: int, start: float, step: float, count: int, *, clamp: bool = False) -> Floats:
    """A matrix float32 [length, count] that resamples `count` pixels to `length`, with centres at start + step * i.

    It interpolates linearly when enlarging, and averages over the covered pixels when reducing. Outside pixels are 0, or with `clamp` equal
    to the nearest one.
    """
    middles = start + step * np.arange(length, dtype=np.float64)[:, None]
    pixels = np.arange(count)
    if clamp:
        middles = middles.clip(0, count - 1)
    if step < 1:
        return np.asarray((1 - np.abs(pixels - middles)).clip(0), np.float32)
    covered = np.minimum(middles + step / 2, pixels + 0.5) - np.maximum(middles - step / 2, pixels - 0.5)
    return np.asarray(covered.clip(0) / step, np.float32)


def dilate(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Dilate a mask, bool [H, W], by a 3x3 square."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return np.asarray(rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:])


def smooth(ink: Floats) -> Floats:
    """Smooth by a 3x3 binomial filter, weights 1 2 1 in both directions; the border is repeated."""
    padded = np.pad(ink, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16)
