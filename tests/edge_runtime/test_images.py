"""Image files to the pixel contract."""

import io
import random
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edge_runtime.errors import ImageError
from edge_runtime.images import find_images, png_bytes, read_picture
from tests.conftest import draw_digit

SEVEN = draw_digit(7)


def _save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def test_a_28x28_picture_is_taken_as_it_is(tmp_path: Path) -> None:
    """No pixel changes, and there is nothing to warn of."""
    path = tmp_path / "seven.png"
    path.write_bytes(png_bytes(SEVEN))
    picture = read_picture(path)
    assert np.array_equal(picture.image, SEVEN)
    assert picture.warnings == ()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_larger_picture_becomes_the_same_digit(suffix: str, inverted: bool, tmp_path: Path) -> None:
    """Ten times the size, dark on light or light on dark: the 28x28 image is the original, but for what JPEG loses."""
    large = np.kron(255 - SEVEN if inverted else SEVEN, np.ones((10, 10), np.uint8))
    picture = read_picture(_save(tmp_path / f"large{suffix}", large))
    assert np.abs(picture.image.astype(int) - SEVEN).max() <= (0 if suffix != ".jpg" else 12)
    assert picture.warnings[0] == "resized from 280x280"
    assert any("inverted" in warning for warning in picture.warnings) == inverted


def test_an_oblong_picture_keeps_its_proportions(tmp_path: Path) -> None:
    """It is padded to a square with the grey of its border."""
    oblong = np.pad(SEVEN, ((0, 0), (14, 14)))
    image = read_picture(_save(tmp_path / "oblong.png", oblong)).image
    rows, columns = np.nonzero(image > 100)
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(21 / 15, rel=0.2)


@pytest.mark.parametrize(("paper", "ink"), [(230, 30), (180, 60), (20, 200)])
def test_grey_paper_becomes_background(paper: int, ink: int, tmp_path: Path) -> None:
    """Whatever the greys of paper and ink, the border becomes 0 and the ink 255."""
    large = np.kron(np.where(SEVEN > 0, ink, paper).astype(np.uint8), np.ones((10, 10), np.uint8))
    assert np.array_equal(read_picture(_save(tmp_path / "grey.png", large)).image, SEVEN)


def test_a_nearly_blank_sheet_is_not_stretched(tmp_path: Path) -> None:
    """Paper whose grains differ by six levels stays nearly blank, and is called faint."""
    sheet = np.random.RandomState(0).randint(240, 247, (300, 300)).astype(np.uint8)
    picture = read_picture(_save(tmp_path / "sheet.png", sheet))
    assert picture.image.max() < 40
    assert any("faint" in warning for warning in picture.warnings)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "LA", "CMYK"])
def test_every_colour_mode_is_read_as_grey(mode: str, tmp_path: Path) -> None:
    """The same digit in another mode is the same image."""
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    PIL.Image.fromarray(SEVEN).convert(mode).save(path, quality=100)
    assert np.abs(read_picture(path).image.astype(int) - SEVEN).max() <= (8 if mode == "CMYK" else 0)


def test_sixteen_bits_are_read_as_eight(tmp_path: Path) -> None:
    """65,535 is full ink, not an overflow."""
    path = _save(tmp_path / "deep.png", SEVEN.astype(np.uint16) * 257)
    assert np.array_equal(read_picture(path).image, SEVEN)


def test_what_is_transparent_is_paper(tmp_path: Path) -> None:
    """Dark ink on nothing reads like dark ink on white."""
    ink = np.kron(SEVEN, np.ones((4, 4), np.uint8))
    layers = np.dstack([np.zeros_like(ink)] * 3 + [ink])
    assert np.array_equal(read_picture(_save(tmp_path / "clear.png", layers)).image, SEVEN)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "no PNG, JPEG or BMP"),
        (b"GIF89a" + bytes(50), "no PNG"),
        (b"hello", "no PNG"),
        (png_bytes(SEVEN)[:60], "damaged|cannot be read"),
    ],
)
def test_what_is_no_picture_is_an_error(content: bytes, cause: str, tmp_path: Path) -> None:
    """The path and the cause are told."""
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=cause):
        read_picture(path)


def test_a_missing_picture_and_a_huge_one_are_errors(tmp_path: Path) -> None:
    """A file of a few bytes may claim to be gigabytes of pixels; it is refused before they are made."""
    with pytest.raises(ImageError, match="No such file"):
        read_picture(tmp_path / "nothing.png")
    stream = io.BytesIO()
    PIL.Image.new("1", (10_000, 7_000)).save(stream, "PNG")
    (tmp_path / "bomb.png").write_bytes(stream.getvalue())
    with pytest.raises(ImageError, match="64,000,000 pixels"):
        read_picture(tmp_path / "bomb.png")


def test_mutated_pictures_are_pictures_or_errors_of_ours(tmp_path: Path) -> None:
    """Of 300 damaged files none ends in anything else."""
    generator = random.Random(5)
    large = PIL.Image.fromarray(np.kron(SEVEN, np.ones((3, 3), np.uint8)))
    path, refused = tmp_path / "x", 0
    for kind in ("PNG", "JPEG", "BMP"):
        stream = io.BytesIO()
        large.save(stream, kind)
        for _ in range(100):
            content = bytearray(stream.getvalue())
            for _ in range(generator.randint(1, 8)):
                content[generator.randrange(len(content))] = generator.randrange(256)
            path.write_bytes(content[: generator.choice([len(content), generator.randrange(len(content))])])
            try:
                assert read_picture(path).image.shape == (28, 28)
            except ImageError:
                refused += 1
    assert 50 < refused < 300


def test_a_folder_stands_for_its_pictures(tmp_path: Path) -> None:
    """Image files directly in it, by name; other files, hidden ones and folders are passed over; an empty folder is an error."""
    for name in ("b.png", "a.JPG", "notes.txt", "._a.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "c.png").mkdir()
    assert [path.name for path in find_images(tmp_path)] == ["a.JPG", "b.png"]
    assert find_images(Path("c.png")) == [Path("c.png")]
    with pytest.raises(ImageError, match="holds no image file"):
        find_images(tmp_path / "c.png")


def test_a_light_28x28_picture_is_taken_as_it_is_with_a_warning(tmp_path: Path) -> None:
    """The contract is kept, and the likely mistake is told."""
    picture = read_picture(_save(tmp_path / "light.png", 255 - SEVEN))
    assert np.array_equal(picture.image, 255 - SEVEN)
    assert "the border is light" in picture.warnings[0]
