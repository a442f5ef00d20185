"""Image files to the pixel contract."""

import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.image_files import image_names, png_bytes, read_picture, to_picture
from edge_runtime.preprocessing.pipeline import read_photo
from tests.conftest import draw_digit
from tests.edge_runtime.limits import in_time
from train.data import Dataset

SEVEN = draw_digit(7)
LARGE = np.kron(255 - np.pad(SEVEN, 4), np.ones((8, 8), np.uint8))
FOUND = read_photo(LARGE).image


def _save(path: Path, pixels: np.ndarray | PIL.Image.Image, **options: object) -> Path:
    image = pixels if isinstance(pixels, PIL.Image.Image) else PIL.Image.fromarray(pixels)
    image.save(path, **options)
    return path


def _difference(image: np.ndarray) -> float:
    """The mean difference from what the array itself gives, in grey levels."""
    return float(np.abs(image.astype(float) - FOUND).mean())


def test_a_28x28_picture_is_taken_as_it_is(tmp_path: Path) -> None:
    """No pixel changes, and there is nothing to warn of."""
    picture = read_picture(_save(tmp_path / "seven.png", SEVEN))
    assert np.array_equal(picture.image, SEVEN)
    assert (picture.warnings, picture.photo) == ((), None)


def test_a_28x28_picture_with_a_light_border_is_inverted(tmp_path: Path) -> None:
    """Dark ink on light ground, as at any other size."""
    picture = read_picture(_save(tmp_path / "light.png", 255 - SEVEN))
    assert np.array_equal(picture.image, SEVEN)
    assert (picture.warnings, picture.inverted) == ((), True)


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.slow)])
def test_no_image_of_mnist_is_inverted_unless_it_was(step: int, mnist: Dataset) -> None:
    """All 70,000, or one in ten, are taken as they are, read in one way; dark on light they become the same images."""
    for images in (mnist.x_train[::step], mnist.x_test[::step]):
        assert all(_kept(image, image, False) and _kept(255 - image, image, True) for image in images)


def _kept(pixels: np.ndarray, expected: np.ndarray, inverted: bool) -> bool:
    picture = to_picture(pixels)
    return np.array_equal(picture.image, expected) and (picture.warnings, picture.alternatives, picture.inverted) == (
        (),
        (),
        inverted,
    )


@pytest.mark.parametrize("level", [0, 100, 200, 255])
def test_a_28x28_picture_may_be_blank_or_faint(level: int) -> None:
    """Of any one level, whichever side of the middle; as is told of photos."""
    level_alone = np.full((28, 28), level, np.uint8)
    assert to_picture(level_alone).warnings[0].startswith("blank: ")
    level_alone[10:20, 12:16] += 20 if level < 200 else 236  # 20 less
    assert to_picture(level_alone).warnings[0] == "faint: the ink differs from the paper by 20 of 255 grey levels"


def test_any_other_picture_is_a_photo(tmp_path: Path) -> None:
    """Its digit is found as in an array of its pixels, and how is kept."""
    picture = read_picture(_save(tmp_path / "large.png", LARGE))
    assert np.array_equal(picture.image, FOUND)
    assert picture.photo is not None
    assert picture.warnings == picture.photo.warnings == ()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif", ".webp", ".tif"])
@pytest.mark.parametrize("inverted", [False, True])
def test_every_format_gives_the_same_digit(suffix: str, inverted: bool, tmp_path: Path) -> None:
    """Dark on light or light on dark, but for what JPEG and WebP lose."""
    picture = read_picture(_save(tmp_path / f"large{suffix}", 255 - LARGE if inverted else LARGE))
    assert _difference(picture.image) < 5
    assert picture.warnings == ()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "PA", "1", "L", "LA", "I;16", "CMYK"])
def test_every_colour_mode_gives_the_same_digit(mode: str, tmp_path: Path) -> None:
    """In a format that has it; bits, palettes, opacity, 16 bits, printers' inks."""
    image = PIL.Image.fromarray(LARGE.astype(np.uint16) * 257) if mode == "I;16" else PIL.Image.fromarray(LARGE).convert(mode)
    picture = read_picture(_save(tmp_path / ("x.tif" if mode in ("CMYK", "PA") else "x.png"), image))
    assert _difference(picture.image) < 3


def test_printers_inks_in_jpeg_are_not_inverted(tmp_path: Path) -> None:
    """Adobe's CMYK files hold inks the other way round."""
    path = _save(tmp_path / "x.jpg", PIL.Image.fromarray(LARGE).convert("CMYK"), quality=95)
    assert _difference(read_picture(path).image) < 5


@pytest.mark.parametrize(
    ("paper", "ink"), [((250, 240, 200), (30, 40, 160)), ((240, 240, 240), (200, 30, 30)), ((40, 70, 50), (240, 240, 230))]
)
def test_coloured_ink_on_coloured_paper_gives_the_same_digit(paper: tuple, ink: tuple, tmp_path: Path) -> None:
    """Blue on cream, red on white, chalk on a green board."""
    pixels = np.where(LARGE[..., None] < 128, np.array(ink, np.uint8), np.array(paper, np.uint8))
    assert _difference(read_picture(_save(tmp_path / "x.png", pixels)).image) < 3


@pytest.mark.parametrize("ink", [0, 255])
def test_what_is_transparent_is_paper(ink: int, tmp_path: Path) -> None:
    """Ink on nothing, dark or light, reads like ink on paper."""
    layers = np.dstack([np.full_like(LARGE, ink)] * 3 + [255 - LARGE])
    assert _difference(read_picture(_save(tmp_path / "clear.png", layers)).image) < 3
    palette = PIL.Image.fromarray((LARGE < 128).astype(np.uint8)).convert("P")
    palette.putpalette([255 - ink] * 3 + [ink] * 3)
    assert _difference(read_picture(_save(tmp_path / "clear.gif", palette, transparency=0)).image) < 3


def test_sixteen_bits_are_read_as_eight(tmp_path: Path) -> None:
    """65,535 is full ink, not an overflow."""
    path = _save(tmp_path / "deep.png", SEVEN.astype(np.uint16) * 257)
    assert np.array_equal(read_picture(path).image, SEVEN)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_phone_held_sideways_gives_the_same_digit(orientation: int, tmp_path: Path) -> None:
    """By the Exif tag of the file; damaged metadata does not matter."""
    turned = {3: LARGE[::-1, ::-1], 6: np.rot90(LARGE), 8: np.rot90(LARGE, -1)}[orientation]
    exif = PIL.Image.Exif()
    exif[274] = orientation
    path = _save(tmp_path / "x.jpg", np.ascontiguousarray(turned), exif=exif, quality=95)
    assert _difference(read_picture(path).image) < 5
    path.write_bytes(path.read_bytes().replace(b"Exif\0\0MM", b"Exif\0\0XX").replace(b"Exif\0\0II", b"Exif\0\0XX"))
    assert read_picture(path).image.any()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_large_photo_gives_the_same_digit(suffix: str, tmp_path: Path) -> None:
    """Of 12 megapixels, reduced while it is read: with less memory than two copies of it take."""
    path = _save(tmp_path / f"large{suffix}", PIL.Image.fromarray(LARGE).resize((4000, 3000)))
    tracemalloc.start()
    try:
        picture = read_picture(path)
        assert tracemalloc.get_traced_memory()[1] < 60e6  # arrays; Pillow's own memory is not counted
    finally:
        tracemalloc.stop()
    assert picture.photo is not None
    assert max(picture.photo.grey.shape) <= 1024
    assert picture.image[4:24].any()


def test_a_picture_may_come_from_a_stream() -> None:
    """Messages name it as they are told to."""
    assert np.array_equal(read_picture("upload", io.BytesIO(png_bytes(SEVEN))).image, SEVEN)
    with pytest.raises(ImageError, match=r"^upload: is not a PNG"):
        read_picture("upload", io.BytesIO(b"hello"))
    with pytest.raises(ImageError, match="upload: 28x28 is more than 100 pixels"):
        read_picture("upload", io.BytesIO(png_bytes(SEVEN)), most_pixels=100)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "not a PNG, JPEG, BMP"),
        (b"GIF89a" + bytes(50), "not a PNG|damaged"),
        (b"hello", "not a PNG"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "it is HEIC, save it as JPEG"),
        (png_bytes(SEVEN)[:60], "damaged|cannot be read"),
    ],
)
def test_what_is_no_picture_is_an_error(content: bytes, cause: str, tmp_path: Path) -> None:
    """The path and the cause are told."""
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=cause):
        read_picture(path)


def test_real_numbers_are_refused(tmp_path: Path) -> None:
    """A TIFF file of floats has no white and no black."""
    with pytest.raises(ImageError, match=r"x\.tif: has floating-point pixels"):
        read_picture(_save(tmp_path / "x.tif", LARGE.astype(np.float32)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_from_0_to_1_are_read_as_those_from_0_to_255(dtype: type) -> None:
    """As matplotlib and Keras have pictures; those from -1 to 1 are refused."""
    for pixels in (LARGE, SEVEN):
        expected, found = (to_picture(pixels.astype(dtype) / scale) for scale in (1, 255))
        np.testing.assert_array_equal(found.image, expected.image)
        assert found.warnings == expected.warnings
    with pytest.raises(ImageError, match="expected floats from 0 to 255 or from 0 to 1, got -1 to 1"):
        to_picture(np.array([[-1, 1]], dtype))


def test_a_missing_picture_and_a_huge_one_are_errors(tmp_path: Path) -> None:
    """A file of a few bytes may claim to be gigabytes of pixels; it is refused before they are made."""
    with pytest.raises(ImageError, match="No such file"):
        read_picture(tmp_path / "nothing.png")
    for size in ((10_000, 7_000), (10_000, 10_000), (20_000, 20_000)):
        stream = io.BytesIO()
        PIL.Image.new("1", size).save(stream, "PNG")
        (tmp_path / "bomb.png").write_bytes(stream.getvalue())
        with pytest.raises(ImageError, match="64,000,000 pixels"):
            read_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize(("dtype", "largest"), [(np.int32, 255), (np.int32, 4_095), (np.int32, 65_535), (np.int32, 10**9)])
def test_whole_numbers_are_read_by_their_range(dtype: type, largest: int, tmp_path: Path) -> None:
    """A file of 32 bits may hold values of 8, of 12, of 16 or of all of them: ink is ink, and 28x28 pixels are those of 8 bits."""
    levels = (LARGE / 255 * largest).astype(dtype)
    assert _difference(read_picture(_save(tmp_path / "x.tif", levels)).image) < 1
    small = read_picture(_save(tmp_path / "small.tif", (SEVEN / 255 * largest).round().astype(dtype)))
    assert np.abs(small.image.astype(int) - SEVEN).max() <= 1


def test_twelve_bits_in_sixteen_are_not_faint(tmp_path: Path) -> None:
    """As microscopes and scanners save them."""
    picture = read_picture(_save(tmp_path / "x.png", (LARGE.astype(np.uint16) * 16)))
    assert _difference(picture.image) < 3
    assert picture.warnings == ()


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """It may never end; standard input is for that. A folder is told as what it is."""
    os.mkfifo(tmp_path / "pipe.png")
    with in_time():
        with pytest.raises(ImageError, match=r"pipe.png: is not a regular file; give - to read standard input"):
            read_picture(tmp_path / "pipe.png")
        with pytest.raises(ImageError, match="null: is not a regular file"):
            read_picture("/dev/null")
        with pytest.raises(ImageError, match="directory"):
            read_picture(tmp_path)


def test_a_folder_stands_for_its_pictures(tmp_path: Path) -> None:
    """Image files directly in it, by name; other files, hidden ones and folders are passed over; an empty folder is an error."""
    for name in ("b.png", "a.JPG", "d.webp", "notes.txt", "._a.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "c.png").mkdir()
    assert image_names(tmp_path) == ["a.JPG", "b.png", "d.webp"]
    with pytest.raises(ImageError, match="contains no image files"):
        image_names(tmp_path / "c.png")


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    """Each takes time for every pixel: the last scan of a progressive file once more and once more."""
    stream = io.BytesIO()
    PIL.Image.fromarray(np.full((400, 400), 200, np.uint8)).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    assert read_picture(io.BytesIO(content)).blank
    start = content.rindex(b"\xff\xda")
    many = content[:start] + 200 * content[start:-2] + content[-2:]
    with pytest.raises(ImageError, match="has more than 100 scans; save the image again"):
        read_picture(io.BytesIO(many))
    metadata = b"\xff\xe5\xff\xfe" + 32_766 * b"\xff\xda"  # a segment whose bytes look like scans
    assert read_picture(io.BytesIO(content[:2] + metadata + content[2:])).blank
    assert read_picture(io.BytesIO(content + 1_000 * b"\xff\xda")).blank  # so does what follows the image


def test_pictures_are_kept_without_their_steps(mnist: Dataset) -> None:
    """A table of thousands holds no photo; what counts for the answer stays."""
    picture = to_picture(np.kron(mnist.validation.images[0], np.ones((3, 3), np.uint8)))
    kept = picture.without_photo()
    assert picture.photo is not None
    assert picture.alternatives
    assert all(one.photo is None for one in (kept, *kept.alternatives))
    assert [one.reading for one in (kept, *kept.alternatives)] == ["crop", "narrowed"]
