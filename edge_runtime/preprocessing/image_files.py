"""Image files to pixels, and pixels to image files. Of this package only `images` and `explanation` import Pillow."""

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import SIDE, Image
from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.grayscale import LONGEST, MOST_PIXELS, apply_orientation, strips_of, to_grayscale
from edge_runtime.preprocessing.warnings import FAINT, active_warnings

if TYPE_CHECKING:
    from edge_runtime.preprocessing.pipeline import Photo

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
_KINDS = "PNG, JPEG, BMP, GIF, WebP or TIFF"
_ORIENTATION = 274
_WHITES = (255, 4_095, 65_535)
_HEIC = (b"heic", b"heix", b"mif1", b"msf1")
MOST_BYTES = 6 * MOST_PIXELS
"""That decoding a picture may take: 384 MB."""
LIGHT = 0.75
"""Share of a 28x28 picture's border that is light if its ink is dark; none of MNIST's 70,000 images is so, nor of Fashion-MNIST's."""
BLANK = 10
"""Grey levels between the darkest and the lightest pixel of a 28x28 picture below which nothing is on it."""


@frozen_dataclass
class Picture:
    """An image in the pixel contract, uint8 [28, 28], and what its owner should know about it.

    photo: how it was found; None for a file of 28x28 pixels, in which nothing is looked for.
    """

    image: Image
    warnings: tuple[str, ...]
    photo: "Photo | None" = field(default=None, repr=False)


def read_picture(file: Path | str | BinaryIO, stream: BinaryIO | None = None, most_pixels: int = MOST_PIXELS) -> Picture:
    """Read an image file and prepare it for a model.

    An image of 28x28 pixels is used unchanged (0 = background, 255 = ink), or inverted if its border is light. Any other size is a photo:
    its digit is found and normalised to MNIST's form (docs/photos.md).

    Args:
        file: path or open binary file of a PNG, JPEG, BMP, GIF, WebP or TIFF image; of several images in a file, the first is read.
        stream: read this file instead, and use `file` as its name in messages.
        most_pixels: refuse larger images; 64 million pixels at most.

    Raises:
        ImageError: the file cannot be read as an image, or is too large.
    """
    if stream is None and not isinstance(file, str | Path):
        stream = file
    return to_picture(read_pixels(source_name(file), stream, min(most_pixels, MOST_PIXELS))[0])


def source_name(file: Path | str | BinaryIO) -> str:
    """What messages call a file: its path, or a file object's name; "-" without one."""
    return str(file) if isinstance(file, str | Path) else str(getattr(file, "name", "-"))


def to_picture(pixels: NDArray[Any]) -> Picture:
    """Prepare upright pixels, such as a camera's frame, for a model, as `read_picture` does.

    Args:
        pixels: [H, W] or [H, W, channels], as `to_grayscale` takes them.

    Raises:
        ImageError: it is no such array.
    """
    if pixels.shape[:2] != (SIDE, SIDE):
        from edge_runtime.preprocessing.pipeline import read_photo  # 5 ms that a 28x28 picture need not pay

        photo = read_photo(pixels)
        return Picture(photo.image, photo.warnings, photo)
    image = np.rint(to_grayscale(pixels)).astype(np.uint8)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    light = bool(np.count_nonzero(border > 127) > LIGHT * border.size)
    if light:
        image = 255 - image
    levels = int(image.max()) - int(image.min())
    found = {
        "blank: no ink stands out from the paper": levels < BLANK,
        f"faint: the ink differs from the paper by {levels} of 255 grey levels": BLANK <= levels < FAINT,
        "inverted: the border is light, so it was read as dark ink on light ground": light,
    }
    return Picture(image, active_warnings(found))


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """An image, uint8 [H, W] or [H, W, 3], as the content of a PNG file."""
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


def read_pixels(
    path: Path | str, stream: BinaryIO | None = None, most_pixels: int = MOST_PIXELS, longest: int = LONGEST
) -> tuple[NDArray[Any], float]:
    """Pixels as `to_grayscale` takes them, upright, the longer side at most `longest`; and the factor by which they were reduced.

    Raises:
        ImageError: as `read_picture`.
    """
    if stream is None:
        _refuse_what_is_no_file(path)
    with _errors_of_ours(path, most_pixels), PIL.Image.open(path if stream is None else stream, formats=_FORMATS) as opened:
        if opened.width * opened.height > most_pixels:
            raise ImageError(f"{path}: {opened.width}x{opened.height} is more than {most_pixels:,} pixels")
        if opened.width * opened.height * _bytes_a_pixel(opened) > MOST_BYTES:
            raise ImageError(f"{path}: {opened.width}x{opened.height} pixels of this kind take too much memory; save it as PNG")
        size = max(opened.size)
        pixels = apply_orientation(_reduced(opened, longest), _orientation(opened))
        return pixels, size / max(pixels.shape[:2])


def _bytes_a_pixel(opened: PIL.Image.Image) -> int:
    """What decoding takes: WebP's decoder keeps four copies with opacity, a progressive JPEG's all coefficients, of 16 bits."""
    if opened.format == "WEBP":
        return 16
    return 2 * len(opened.getbands()) if opened.info.get("progressive") else 4


def _refuse_what_is_no_file(path: Path | str) -> None:
    """A pipe may never end, and a device neither."""
    with suppress(OSError, ValueError):  # what is wrong with it is told when it is opened
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise ImageError(f"{path}: is not a regular file; give - to read standard input")


@contextmanager
def _errors_of_ours(path: Path | str, most_pixels: int) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about damaged files and large ones: here they are errors, or do not matter
            yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: is not a {_KINDS} image{_hint(path)}") from error
    except PIL.Image.DecompressionBombError as error:
        raise ImageError(f"{path}: is far more than {most_pixels:,} pixels") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        raise ImageError(f"{path}: is damaged ({error or type(error).__name__})") from error


def _hint(path: Path | str) -> str:
    """What to do about a phone's own format, which Pillow does not read by itself."""
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(12)
    except (OSError, ValueError):
        return ""
    return "; it is HEIC, save it as JPEG" if start[4:8] == b"ftyp" and start[8:] in _HEIC else ""


def _orientation(opened: PIL.Image.Image) -> Any:
    try:
        return opened.getexif().get(_ORIENTATION)
    except Exception:  # damaged metadata of a picture that is whole
        return None


def _reduced(opened: PIL.Image.Image, longest: int) -> NDArray[Any]:
    """Pixels of at most `longest` along the longer side, reduced strip by strip: no second copy of a large image is made."""
    factor = -(-max(opened.size) // longest)
    # A JPEG file decodes to an eighth, a quarter or half of its size at once, and to its brightness alone.
    opened.draft("L", (max(1, opened.width // factor), max(1, opened.height // factor)))
    factor = -(-max(opened.size) // longest)
    strips = strips_of(opened.height, opened.width, factor)
    crops = [(0, top, opened.width, bottom) for top, bottom in strips]
    full = _full(max(int(np.asarray(opened.crop(crop)).max()) for crop in crops)) if opened.mode.startswith("I") else 255
    if factor == 1:
        return np.asarray(_plain(opened, full))
    return np.concatenate([np.asarray(_plain(opened.crop(crop), full).reduce(factor)) for crop in crops])


def _full(largest: int) -> int:
    """What white is in a picture of whole numbers whose largest is this: files of 16 and 32 bits hold values of 8, 12 or 16, or any."""
    return next((full for full in _WHITES if largest <= full), largest)


def _plain(image: PIL.Image.Image, full: int) -> PIL.Image.Image:
    """The same image with grey levels, as bytes or as floats of 0 to 255, with colours, or with colours and opacity."""
    if image.mode.startswith("I"):  # 16 or 32 bits a pixel, of which `full` is white
        return PIL.Image.fromarray((np.asarray(image).clip(0, full) * (255 / full)).astype(np.float32))
    if image.mode == "F":
        raise ImageError("has pixels that are real numbers; save it with 8 or 16 bits")
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return image.convert("RGBA")
    if image.mode == "L":
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
