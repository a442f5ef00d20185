"""Convert pixels to grey levels: colours, transparency, 16 bits, Exif orientation."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.resampling import reduce

Floats = NDArray[np.float32]

LONGEST = 1024
"""Maximum longer side after reduction: a digit of a fortieth of it still has more than 20 pixels."""
MAX_PIXELS = 64_000_000
STRIP_PIXELS = 1_000_000
"""Large images are reduced in strips of about this many pixels, to avoid a second full-size copy."""
OPAQUE = (1, 3)
"""Numbers of channels without an alpha channel."""
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
    """Convert pixels to grey levels, float32 [h, w], 0 = black to 255 = white, with at most `longest` pixels along the longer side.

    Colours are weighted by ITU-R BT.601. Transparent areas become white if the visible ones are dark, else black.

    Args:
        pixels: [H, W], or [H, W, channels] with 1 channel (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA); bool, uint8, uint16, or floats
            from 0 to 255.
        longest: larger pictures are reduced by an integer factor.
        step: use this factor instead; for a part of a picture, that of the whole.

    Raises:
        ImageError: it is no such array, is empty, has more than 64 million pixels, or NaN or infinite values.
    """
    check_pixels(pixels)
    channels = pixels.reshape(*pixels.shape[:2], -1)
    factor = step or reduction_factor(pixels.shape, longest)
    strips = [channels[top:bottom] for top, bottom in strips_of(len(pixels), pixels.shape[1], factor)]
    if channels.shape[2] in OPAQUE:
        return np.concatenate([reduce(_brightness(strip), factor) for strip in strips])
    shown, alpha = (np.concatenate(parts) for parts in zip(*(_premultiplied(strip, factor) for strip in strips), strict=True))
    # A background with contrast: white behind dark pixels, black behind light ones or none.
    background = 255 if float(shown.sum()) < 127.5 * float(alpha.sum()) else 0
    return np.asarray(shown + (1 - alpha) * np.float32(background))


def reduction_factor(shape: tuple[int, ...], longest: int) -> int:
    """The factor that reduces a picture, [H, W, ...], to at most `longest` pixels along the longer side."""
    return -(-max(shape[:2]) // longest)


def apply_orientation(pixels: NDArray[Any], orientation: Any) -> NDArray[Any]:
    """Rotate or mirror pixels [H, W, ...] by the tag Orientation of Exif 2.32 (JEITA CP-3451); 1 changes nothing."""
    turn = _TURNS.get(orientation)
    return turn(pixels) if turn else pixels


def strips_of(height: int, width: int, factor: int) -> list[tuple[int, int]]:
    """First rows of strips and their ends (exclusive); heights are multiples of `factor` except for the last."""
    rows = factor * max(1, STRIP_PIXELS // (width * factor))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def check_pixels(pixels: Any) -> None:
    """Check that pixels are as `to_grayscale` takes them.

    Raises:
        ImageError: they are not.
    """
    if not isinstance(pixels, np.ndarray) or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (1,), (2,), (3,), (4,)):
        found = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise ImageError(f"expected pixels as an array [H, W], or [H, W, channels] with 1 to 4 channels, got {found}")
    if pixels.dtype not in (np.bool_, np.uint8, np.uint16, np.float32, np.float64):
        raise ImageError(f"expected pixels as bool, uint8, uint16, float32 or float64, got {pixels.dtype}")
    if not 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS:
        raise ImageError(f"expected 1 to {MAX_PIXELS:,} pixels, got {pixels.shape[1]}x{pixels.shape[0]}")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageError("expected finite pixels, got NaN or infinite values")


def _brightness(channels: NDArray[Any]) -> Floats:
    """Grey levels, float32 [H, W], of [H, W, channels]; an alpha channel is ignored."""
    return np.asarray(_levels(channels[..., :3]) @ _LUMA if channels.shape[2] > 2 else _levels(channels[..., 0]))


def _premultiplied(channels: NDArray[Any], factor: int) -> tuple[Floats, Floats]:
    """Brightness times alpha, and alpha from 0 to 1, of a strip [H, W, 2 or 4]: both float32 [h, w]."""
    alpha = _levels(channels[..., -1]) / np.float32(255)
    return reduce(_brightness(channels) * alpha, factor), reduce(alpha, factor)


def _levels(values: NDArray[Any]) -> Floats:
    """Values of any accepted dtype as float32, 0 to 255."""
    if values.dtype.kind == "f":
        return values.clip(0, 255).astype(np.float32)
    largest = 1 if values.dtype.kind == "b" else np.iinfo(values.dtype).max
    levels: Floats = values.astype(np.float32)
    return levels if largest == 255 else levels * np.float32(255 / largest)
