"""Pixels of any kind to grey levels: colours, transparency, 16 bits, cameras held sideways."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ImageError
from edge_runtime.photos.resampling import reduce

Floats = NDArray[np.float32]

LONGEST = 1024
"""Longer side that photos are reduced to: a digit of a twentieth of its height has still more than 20 pixels."""
MOST_PIXELS = 64_000_000
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


def grey_of(pixels: Any) -> Floats:
    """Grey levels, float32 [h, w], 0 = black to 255 = white, at most 1024 pixels along the longer side.

    Colours weigh as in ITU-R BT.601. What is transparent becomes white where what is visible is dark, and black where it is light.

    Args:
        pixels: [H, W], or [H, W, channels] with 1 channel (grey), 2 (grey, opacity), 3 (red, green, blue) or 4 (and opacity);
            bool, uint8, uint16, or floats of 0 to 255.

    Raises:
        ImageError: it is no such array, empty, of more than 64 million pixels, or holds NaN or infinite values.
    """
    _check(pixels)
    factor = -(-max(pixels.shape[:2]) // LONGEST)
    channels = pixels.reshape(*pixels.shape[:2], -1)
    colour, opacity = channels[..., : (channels.shape[2] - 1) | 1], channels[..., (channels.shape[2] - 1) | 1 :]
    grey = _levels(colour) @ _LUMA if colour.shape[2] == 3 else _levels(colour[..., 0])
    if not opacity.size:
        return reduce(grey, factor)
    visible = _levels(opacity[..., 0]) / 255
    shown, seen = reduce(grey * visible, factor), reduce(visible, factor)
    return shown + (1 - seen) * _opposite(shown, seen)


def upright(pixels: NDArray[Any], orientation: Any) -> NDArray[Any]:
    """Pixels [H, W, ...] the way up that the camera was held. Numbers: the tag Orientation of Exif 2.32 (JEITA CP-3451), 1 for as it is."""
    return _TURNS.get(orientation, lambda pixels: pixels)(pixels)


def _check(pixels: Any) -> None:
    if not isinstance(pixels, np.ndarray) or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (1,), (2,), (3,), (4,)):
        found = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise ImageError(f"expected pixels as an array [H, W], or [H, W, channels] with 1 to 4 channels, got {found}")
    if pixels.dtype not in (np.bool_, np.uint8, np.uint16, np.float32, np.float64):
        raise ImageError(f"expected pixels as bool, uint8, uint16, float32 or float64, got {pixels.dtype}")
    if not 0 < pixels.shape[0] * pixels.shape[1] <= MOST_PIXELS:
        raise ImageError(f"expected 1 to {MOST_PIXELS:,} pixels, got {pixels.shape[1]}x{pixels.shape[0]}")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageError("the pixels hold NaN or infinite values")


def _levels(values: NDArray[Any]) -> Floats:
    """Values of any accepted type as float32, 0 to 255."""
    scale = {"b": 255, "u": 255 / np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1}.get(values.dtype.kind, 1)
    return values.clip(0, 255).astype(np.float32) if scale == 1 else values.astype(np.float32) * np.float32(scale)


def _opposite(shown: Floats, seen: Floats) -> float:
    """The ground on which what is seen stands out: white for dark, black for light or nothing."""
    return 255.0 if float(shown.sum()) < 127.5 * float(seen.sum()) else 0.0
