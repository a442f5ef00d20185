"""Read image files and prepare them for a model. Only this module and `explanation` import Pillow."""

import dataclasses
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import SIDE, Image
from edge_runtime.common.stderr_filter import ignore_pillow_warnings
from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.grayscale import LONGEST, MAX_PIXELS, apply_orientation, check_pixels, strips_of, to_grayscale
from edge_runtime.preprocessing.warnings import FAINT, active_warnings

if TYPE_CHECKING:
    from edge_runtime.preprocessing.pipeline import Photo

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
_KINDS = "PNG, JPEG, BMP, GIF, WebP or TIFF"
_ORIENTATION = 274
_WHITES = (255, 4_095, 65_535)
_HEIC = (b"heic", b"heix", b"mif1", b"msf1")
MAX_BYTES = 6 * MAX_PIXELS
"""Maximum memory for decoding an image: 384 MB."""
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
MAX_SCANS = 100
"""Maximum scans of a progressive JPEG, which take time for each pixel but few bytes; encoders write some ten."""
LIGHT = 0.75
"""Minimum fraction of light border pixels of a 28x28 image with dark ink; no image of MNIST or Fashion-MNIST reaches it."""
BLANK = 10
"""Minimum contrast of a 28x28 image that is not blank, in grey levels."""
_BLANK = "blank: no ink stands out from the paper"
IN_PLACE = (19, 20)
"""Longer sides of the digits of MNIST, in pixels: 20, or 19 for one in 7,000."""
OFF_CENTRE = 0.55
"""Largest distance of their centre of mass from (14, 14), in either direction."""
OUT_OF_PLACE = -1.0
"""Prior of an image of 28x28 pixels as it is, if its digit has not MNIST's size or place, as a logarithm."""


@frozen_dataclass
class Picture:
    """A prepared image.

    image: uint8 [28, 28], 0 = background, 255 = ink. warnings: what may be wrong with it. photo: how the digit was found; None for an image
    of 28x28 pixels that is used unchanged. blank: no digit was found. inverted: such an image had a light border, and was inverted.
    reading: how the digit was found: "unchanged", "photo", "crop" or "narrowed". prior: how likely that is the right way before a model has
    answered, as a logarithm. alternatives: other readings of a picture that leaves doubt, among which the model's answers decide.
    """

    image: Image
    warnings: tuple[str, ...]
    photo: "Photo | None" = field(default=None, repr=False)
    blank: bool = False
    inverted: bool = False
    reading: str = "unchanged"
    prior: float = 0.0
    alternatives: "tuple[Picture, ...]" = field(default=(), repr=False)

    def without_photo(self) -> "Picture":
        """The same without the pictures of its steps, which take megabytes."""
        others = tuple(other.without_photo() for other in self.alternatives)
        return dataclasses.replace(self, photo=None, alternatives=others)


def read_picture(file: Path | str | BinaryIO, stream: BinaryIO | None = None, most_pixels: int = MAX_PIXELS) -> Picture:
    """Read an image file and prepare it for a model.

    An image of 28x28 pixels with the digit where MNIST has it is used unchanged (0 = background, 255 = ink), or inverted if its border is
    light. In any other picture the digit is found and normalised to MNIST's form (docs/classify.md).

    Args:
        file: path or open binary file of a PNG, JPEG, BMP, GIF, WebP or TIFF image; of several images in a file, the first is read.
        stream: read this file instead, and use `file` as its name in messages.
        most_pixels: refuse larger images; 64 million pixels at most.

    Raises:
        ImageError: the file cannot be read as an image, or is too large.
    """
    if stream is None and not isinstance(file, str | Path):
        stream = file
    return to_picture(read_pixels(source_name(file), stream, min(most_pixels, MAX_PIXELS))[0])


def source_name(file: Path | str | BinaryIO) -> str:
    """What messages call a file: its path, or a file object's name; "-" without one."""
    return str(file) if isinstance(file, str | Path) else str(getattr(file, "name", "-"))


def to_picture(pixels: NDArray[Any]) -> Picture:
    """Prepare upright pixels, such as a camera's frame, for a model, as `read_picture` does.

    Args:
        pixels: [H, W] or [H, W, channels], as `to_grayscale` takes them; floats from 0 to 1 too.

    Raises:
        ImageError: it is no such array.
    """
    check_pixels(pixels)
    pixels = _of_255(pixels)
    if pixels.shape[:2] != (SIDE, SIDE):
        found = _readings(pixels)
        return dataclasses.replace(found[0], alternatives=found[1:])
    image = np.rint(to_grayscale(pixels)).astype(np.uint8)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    light = bool(np.count_nonzero(border > 127) > LIGHT * border.size)
    if light:
        image = 255 - image
    levels = int(image.max()) - int(image.min())
    blank = levels < BLANK
    conditions = {
        _BLANK: blank,
        f"faint: the ink differs from the paper by {levels} of 255 grey levels": BLANK <= levels < FAINT,
    }
    if blank or in_place(image):
        return Picture(image, active_warnings(conditions), blank=blank, inverted=light)
    others = _readings(pixels)
    noise = all(other.blank for other in others)
    texts = others[0].warnings if noise else active_warnings(conditions)
    return Picture(image, texts, blank=noise, inverted=light, prior=OUT_OF_PLACE, alternatives=others)


def _of_255(pixels: NDArray[Any]) -> NDArray[Any]:
    """Pixels whose white is 255, if they are floats: those of other libraries are from 0 to 1, which would be nearly black."""
    if pixels.dtype.kind != "f" or pixels.max() > 1:
        return pixels
    if pixels.min() < 0:
        raise ImageError(f"expected floats from 0 to 255 or from 0 to 1, got {pixels.min():g} to {pixels.max():g}")
    return np.asarray(pixels * pixels.dtype.type(255))


def _readings(pixels: NDArray[Any]) -> tuple[Picture, ...]:
    from edge_runtime.preprocessing.pipeline import readings  # 5 ms that a 28x28 image in MNIST's form need not pay

    return tuple(
        Picture(photo.image, photo.warnings, photo, photo.strokes is None, reading=photo.reading, prior=photo.prior)
        for photo in readings(pixels)
    )


def in_place(image: Image) -> bool:
    """Whether the digit of an image, uint8 [28, 28], has MNIST's size, and its centre of mass the place that it has there."""
    rows, columns = (image.sum(axis=axis, dtype=np.float64) for axis in (1, 0))
    total = float(rows.sum())
    if not total:
        return False
    places = np.arange(SIDE)
    if max(abs(float(sums @ places) / total - SIDE / 2) for sums in (rows, columns)) > OFF_CENTRE:
        return False
    inked = [np.flatnonzero(sums) for sums in (rows, columns)]
    return max(int(line[-1] - line[0]) + 1 for line in inked) in IN_PLACE


def array_picture(image: Image) -> Picture:
    """An image of an array, uint8 [28, 28], 0 = background, 255 = ink, as it is."""
    blank = int(image.max()) - int(image.min()) < BLANK
    return Picture(image, (_BLANK,) if blank else (), blank=blank)


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """Encode an image, uint8 [H, W] or [H, W, 3], as PNG."""
    stream = io.BytesIO()
    PIL.Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def image_names(folder: Path) -> list[str]:
    """Sorted names of the image files directly in a folder, without hidden ones.

    Raises:
        ImageError: the folder cannot be read, or has no image files.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if _is_image(entry.name) and entry.is_file()]
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read ({error.strerror or error})") from error
    if not found:
        raise ImageError(f"{folder}: contains no image files ({', '.join(SUFFIXES)})")
    return sorted(found)


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def read_pixels(
    path: Path | str, stream: BinaryIO | None = None, most_pixels: int = MAX_PIXELS, longest: int = LONGEST
) -> tuple[NDArray[Any], float]:
    """Read upright pixels with at most `longest` along the longer side.

    Returns:
        Pixels as `to_grayscale` takes them, and the factor by which they were reduced.

    Raises:
        ImageError: as `read_picture`.
    """
    if stream is None:
        _check_regular_file(path)
    with _image_errors(path, most_pixels, stream), PIL.Image.open(path if stream is None else stream, formats=_FORMATS) as opened:
        if opened.width * opened.height > most_pixels:
            raise ImageError(f"{path}: {opened.width}x{opened.height} is more than {most_pixels:,} pixels; reduce the image")
        if opened.width * opened.height * _bytes_a_pixel(opened) > MAX_BYTES:
            raise ImageError(f"{path}: decoding {opened.width}x{opened.height} pixels takes too much memory; save the image as PNG")
        if opened.info.get("progressive") and opened.fp and _scans(opened.fp) > MAX_SCANS:
            raise ImageError(f"{path}: has more than {MAX_SCANS} scans; save the image again")
        if opened.mode == "F":  # it states no white and no black
            raise ImageError(f"{path}: has floating-point pixels; save the image with 8 or 16 bits")
        size = max(opened.size)
        pixels = apply_orientation(_reduced(opened, longest), _orientation(opened))
        return pixels, size / max(pixels.shape[:2])


def _scans(stream: IO[bytes]) -> int:
    """The number of scans of a JPEG file, at most one more than allowed: by its markers, up to its end. The stream's position stays."""
    place, found = stream.tell(), 0
    stream.seek(2)
    while found <= MAX_SCANS and (marker := _next_marker(stream)) not in (None, 0xD9):
        found += marker == 0xDA
        length = int.from_bytes(stream.read(2), "big")  # of a segment; the data of a scan after it has no markers but RST
        stream.seek(max(0, length - 2), os.SEEK_CUR)
    stream.seek(place)
    return found


def _next_marker(stream: IO[bytes]) -> int | None:
    """The next marker that begins a segment or ends the image; None at the end of the file."""
    last = b""
    while part := stream.read(1 << 12):
        for match in _MARKER.finditer(last + part):
            stream.seek(match.end() - len(last) - len(part), os.SEEK_CUR)
            return match.group()[-1]
        last = part[-1:]
    return None


def _bytes_a_pixel(opened: PIL.Image.Image) -> int:
    """Memory for decoding: WebP's decoder makes four RGBA copies; a progressive JPEG's stores all coefficients in 16 bits."""
    if opened.format == "WEBP":
        return 16
    return 2 * len(opened.getbands()) if opened.info.get("progressive") else 4


def _check_regular_file(path: Path | str) -> None:
    """Refuse pipes and devices, which may never end."""
    with suppress(OSError, ValueError):  # opening the file reports these
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise ImageError(f"{path}: is not a regular file; give - to read standard input")


@contextmanager
def _image_errors(path: Path | str, most_pixels: int, stream: BinaryIO | None = None) -> Iterator[None]:
    """Turn Pillow's errors into `ImageError`."""
    try:
        with ignore_pillow_warnings():  # of damaged and large files, which are errors here, or harmless
            yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: is not a {_KINDS} image{_hint(path, stream)}") from error
    except PIL.Image.DecompressionBombError as error:
        raise ImageError(f"{path}: has far more than {most_pixels:,} pixels; reduce the image") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
        raise ImageError(f"{path}: is damaged ({error or type(error).__name__})") from error


def _hint(path: Path | str, stream: BinaryIO | None) -> str:
    """Advice for HEIC, a format of phones that Pillow does not read."""
    try:
        with nullcontext(stream) if stream else Path(path).open("rb") as file:
            file.seek(0)
            start = file.read(12)
    except (OSError, ValueError):
        return ""
    return "; it is HEIC, save it as JPEG" if start[4:8] == b"ftyp" and start[8:] in _HEIC else ""


def _orientation(opened: PIL.Image.Image) -> Any:
    try:
        return opened.getexif().get(_ORIENTATION)
    except Exception:  # damaged metadata; the image may be intact
        return None


def _reduced(opened: PIL.Image.Image, longest: int) -> NDArray[Any]:
    """Pixels of at most `longest` along the longer side, reduced strip by strip, to avoid a second full-size copy."""
    factor = -(-max(opened.size) // longest)
    # A JPEG file can be decoded at an eighth, a quarter or half of its size, and to grey levels alone.
    opened.draft("L", (max(1, opened.width // factor), max(1, opened.height // factor)))
    factor = -(-max(opened.size) // longest)
    strips = strips_of(opened.height, opened.width, factor)
    crops = [(0, top, opened.width, bottom) for top, bottom in strips]
    full = _white(max(int(np.asarray(opened.crop(crop)).max()) for crop in crops)) if opened.mode.startswith("I") else 255
    if factor == 1:
        return np.asarray(_plain(opened, full))
    return np.concatenate([np.asarray(_plain(opened.crop(crop), full).reduce(factor)) for crop in crops])


def _white(largest: int) -> int:
    """The value of white in an integer image with this maximum: files of 16 and 32 bits may store 8, 12 or 16 bits, or any range."""
    return next((full for full in _WHITES if largest <= full), largest)


def _plain(image: PIL.Image.Image, full: int) -> PIL.Image.Image:
    """Convert to mode L, RGB or RGBA, or to floats from 0 to 255. `full`: the value of white in integer modes."""
    if image.mode.startswith("I"):  # 16 or 32 bits a pixel, of which `full` is white
        return PIL.Image.fromarray((np.asarray(image).clip(0, full) * (255 / full)).astype(np.float32))
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return image.convert("RGBA")
    if image.mode == "L":
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
