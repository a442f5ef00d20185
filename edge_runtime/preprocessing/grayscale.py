"""Pixels of any kind to grey levels: colours, transparency, 16 bits, cameras held sideways."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.resampling import reduce

Floats = NDArray[np.float32]

LONGEST = 1024
"""Longer side that photos are reduced to at most: a digit of a twentieth of its height has still more than 20 pixels."""
MOST_PIXELS = 64_000_000
STRIP_PIXELS = 1_000_000
"""Large images are reduced in strips of about so many pixels: no second copy of them is made."""
OPAQUE = (1, 3)
"""Channels of a picture that says nothing of opacity."""
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


def to_grayscale(pixels: Any, longest: int = LONGEST, step: int | None = None) -> Floats:
    """Grey levels, float32 [h, w], 0 = black to 255 = white, at most `longest` pixels along the longer side.

    Colours weigh as in ITU-R BT.601. What is transparent becomes white where what is visible is dark, and black where it is light.

    Args:
        pixels: [H, W], or [H, W, channels] with 1 channel (grey), 2 (grey, opacity), 3 (red, green, blue) or 4 (and opacity);
            bool, uint8, uint16, or floats of 0 to 255.
        longest: larger pictures are reduced by whole numbers.
        step: that number, if it is known already: of a part of a picture, that of the whole.

    Raises:
        ImageError: it is no such array, empty, of more than 64 million pixels, or holds NaN or infinite values.
    """
    _check(pixels)
    channels = pixels.reshape(*pixels.shape[:2], -1)
    factor = step or reduction_factor(pixels.shape, longest)
    strips = [channels[top:bottom] for top, bottom in strips_of(len(pixels), pixels.shape[1], factor)]
    if channels.shape[2] in OPAQUE:
        return np.concatenate([reduce(_brightness(strip), factor) for strip in strips])
    shown, seen = (np.concatenate(parts) for parts in zip(*(_seen_through(strip, factor) for strip in strips), strict=True))
    # The ground on which what is seen stands out: white for dark, black for light or nothing.
    ground = 255 if float(shown.sum()) < 127.5 * float(seen.sum()) else 0
    return np.asarray(shown + (1 - seen) * np.float32(ground))


def reduction_factor(shape: tuple[int, ...], longest: int) -> int:
    """Pixels of a picture, [H, W, ...], to one of the picture that it is reduced to."""
    return -(-max(shape[:2]) // longest)


def apply_orientation(pixels: NDArray[Any], orientation: Any) -> NDArray[Any]:
    """Pixels [H, W, ...] the way up that the camera was held. Numbers: the tag Orientation of Exif 2.32 (JEITA CP-3451), 1 for as it is."""
    turn = _TURNS.get(orientation)
    return turn(pixels) if turn else pixels


def strips_of(height: int, width: int, factor: int) -> list[tuple[int, int]]:
    """First rows of strips, and rows just after them, whose heights are multiples of `factor` but for the last."""
    rows = factor * max(1, STRIP_PIXELS // (width * factor))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


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


def _brightness(channels: NDArray[Any]) -> Floats:
    """Grey levels, float32 [H, W], of [H, W, channels]; opacity, the last of 2 or 4, does not count."""
    return np.asarray(_levels(channels[..., :3]) @ _LUMA if channels.shape[2] > 2 else _levels(channels[..., 0]))


def _seen_through(channels: NDArray[Any], factor: int) -> tuple[Floats, Floats]:
    """Brightness times opacity, and opacity as 0 to 1, of a strip [H, W, 2 or 4]: both float32 [h, w]."""
    opacity = _levels(channels[..., -1]) / np.float32(255)
    return reduce(_brightness(channels) * opacity, factor), reduce(opacity, factor)


def _levels(values: NDArray[Any]) -> Floats:
    """Values of any accepted type as float32, 0 to 255."""
    if values.dtype.kind == "f":
        return values.clip(0, 255).astype(np.float32)
    largest = 1 if values.dtype.kind == "b" else np.iinfo(values.dtype).max
    levels: Floats = values.astype(np.float32)
    return levels if largest == 255 else levels * np.float32(255 / largest)
