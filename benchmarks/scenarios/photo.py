"""A photo of a digit as a phone takes it, to time the way from a photo file to a label on.

12 megapixels in colour, some 3 MB of JPEG: the usual size of phones and of the Raspberry Pi's Camera Module 3. A handwritten digit of
0.3 of the height lies on plain paper; the light fades to one side, and there is noise, which decides how many bytes have to be decoded.
The photo is made, not stored: three megabytes are more than the package has. Whole numbers and Pillow's own arithmetic make it, so it
is the same on every board; results have its hash.
"""

import io

import numpy as np
import PIL.Image
from numpy.typing import NDArray

SIZE = (4032, 3024)  # width and height
_SHARE = 0.3  # of the height, of the digit
_BOX = 20  # pixels of 28 that a digit of MNIST has
_LIGHT = (235, 150)  # grey levels of the paper, at the left and at the right
_INK = 200  # of 255: the share of the light that full ink takes
_TINT = (255, 246, 230)
_NOISE, _TILE = 12, 256
_QUALITY = 90


def make_photo(digit: NDArray[np.uint8]) -> bytes:
    """The content of a JPEG file with that digit, uint8 [28, 28]; the same digit gives the same bytes."""
    stream = io.BytesIO()
    PIL.Image.fromarray(_with_noise(_paper_with(digit))).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _paper_with(digit: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Grey levels, uint16 [height, width]."""
    width, height = SIZE
    bright, dark = _LIGHT
    light = bright - np.arange(width) * (bright - dark) // width
    paper = np.broadcast_to(light.astype(np.uint16), (height, width)).copy()
    side = int(height * _SHARE) * len(digit) // _BOX
    ink = np.asarray(PIL.Image.fromarray(digit).resize((side, side), PIL.Image.Resampling.BICUBIC)).astype(np.uint16)
    top, left = (height - side) // 2, (width - side) // 3
    part = paper[top : top + side, left : left + side]
    part[:] = part * (255 - ink * _INK // 255) // 255
    return paper


def _with_noise(paper: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Colours, uint8 [height, width, 3], a strip at a time: a small board has little memory."""
    height, width = paper.shape
    tile = np.random.RandomState(0).randint(-_NOISE, _NOISE + 1, (_TILE, _TILE, 3)).astype(np.int16)
    noise = np.tile(tile, (1, -(-width // _TILE), 1))[:, :width]
    colours = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _TILE):
        strip = (paper[top : top + _TILE, :, None] * np.array(_TINT, np.uint16) // 255).astype(np.int16)
        colours[top : top + _TILE] = np.clip(strip + noise[: len(strip)], 0, 255)
    return colours
