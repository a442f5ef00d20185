"""Image files to the pixel contract. The only module of this package that imports Pillow."""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from edge_runtime.errors import ImageError
from edge_runtime.pixels import SIDE, Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_FORMATS = ("PNG", "JPEG", "BMP")
_MOST_PIXELS = 64_000_000
_LEAST_CONTRAST = 40


@dataclass(frozen=True)
class Picture:
    """An image in the pixel contract, uint8 [28, 28], and what was done to it that its owner may not expect."""

    image: Image
    warnings: tuple[str, ...]


def read_picture(path: Path | str, stream: BinaryIO | None = None, most_pixels: int = _MOST_PIXELS) -> Picture:
    """Read a PNG, JPEG or BMP file: of that path, or from a stream that messages call so.

    A file of 28x28 pixels is taken as it is: 0 = background, 255 = ink. A larger or smaller one is turned to light ink on dark ground
    by the grey level of its border, stretched so that the border becomes 0 and the ink 255, padded to a square and resized.

    Raises:
        ImageError: the file cannot be read as an image, or has more than `most_pixels` pixels, 64 million at most.
    """
    return picture_of(_read_grey(path, stream, min(most_pixels, _MOST_PIXELS)))


def picture_of(grey: NDArray[np.uint8]) -> Picture:
    """A picture in the pixel contract of grey levels, uint8 [height, width]: as `read_picture` does."""
    if grey.shape == (SIDE, SIDE):
        light = _border_level(grey) > 127
        return Picture(grey, ("the border is light: a 28x28 picture is taken as light ink on dark ground",) if light else ())
    warnings = [f"resized from {grey.shape[1]}x{grey.shape[0]}"]
    if _border_level(grey) > 127:
        grey = 255 - grey
        warnings.append("inverted: the border is light, so the ink is dark")
    ink = grey.astype(np.int64).clip(_border_level(grey)) - _border_level(grey)
    if ink.max() < _LEAST_CONTRAST:
        warnings.append(f"faint: the ink differs from the border by {ink.max()} of 255 grey levels")
    stretched = ink * 255 // max(int(ink.max()), _LEAST_CONTRAST)  # a blank sheet's noise stays noise
    return Picture(_resize(_pad_to_square(stretched.astype(np.uint8))), tuple(warnings))


def png_bytes(image: Image) -> bytes:
    """An image, uint8 [28, 28], as the content of a PNG file."""
    stream = io.BytesIO()
    PIL.Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def find_images(path: Path) -> list[Path]:
    """The path itself, or for a folder the image files directly in it, by name; hidden ones are passed over.

    Raises:
        ImageError: the folder cannot be read, or holds no image file.
    """
    return [path / name for name in image_names(path)] if path.is_dir() else [path]


def image_names(folder: Path) -> list[str]:
    """Names of the image files directly in a folder, sorted; hidden ones are passed over.

    Raises:
        ImageError: the folder cannot be read, or holds no image file.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if _is_image(entry.name) and entry.is_file()]
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read ({error.strerror or error})") from error
    if not found:
        raise ImageError(f"{folder}: holds no image file ({', '.join(SUFFIXES)})")
    return sorted(found)


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _read_grey(path: Path | str, stream: BinaryIO | None, most_pixels: int) -> NDArray[np.uint8]:
    try:
        with PIL.Image.open(path if stream is None else stream, formats=_FORMATS) as opened:
            if opened.width * opened.height > most_pixels:
                raise ImageError(f"{path}: {opened.width}x{opened.height} is more than {most_pixels:,} pixels")
            return _to_grey(opened)
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: is no PNG, JPEG or BMP image") from error
    except PIL.Image.DecompressionBombError as error:
        raise ImageError(f"{path}: is far more than {most_pixels:,} pixels") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (SyntaxError, ValueError, MemoryError, EOFError) as error:  # what Pillow's decoders raise on damaged files
        raise ImageError(f"{path}: is damaged ({error})") from error


def _to_grey(opened: PIL.Image.Image) -> NDArray[np.uint8]:
    if opened.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip at 255
        return (np.asarray(opened, np.int64) >> 8).clip(0, 255).astype(np.uint8)
    if "A" in opened.getbands() or "transparency" in opened.info:
        paper = PIL.Image.new("RGBA", opened.size, "white")
        opened = PIL.Image.alpha_composite(paper, opened.convert("RGBA"))
    return np.asarray(opened.convert("L"), np.uint8)


def _border_level(grey: NDArray[np.uint8]) -> int:
    return int(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def _pad_to_square(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = max(grey.shape)
    before = [(side - length) // 2 for length in grey.shape]
    margins = [(first, side - length - first) for first, length in zip(before, grey.shape, strict=True)]
    return np.pad(grey, margins)


def _resize(grey: NDArray[np.uint8]) -> Image:
    return np.asarray(PIL.Image.fromarray(grey).resize((SIDE, SIDE), PIL.Image.Resampling.BOX), np.uint8)
