"""The page of `digits classify --explain`."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFont
import pytest

from edge_runtime import Classifier, Prediction, explanation
from edge_runtime.classify.output import explanation_row
from edge_runtime.errors import BadArgument, WouldOverwrite
from edge_runtime.explanation import GAP, LINE, MAX_ROWS, PANEL, WIDTH, Page
from edge_runtime.preprocessing.image_files import png_bytes, read_picture
from edge_runtime.reading import Reading
from tests.commands import digits, one_line
from tests.photos import invent_scene, jpeg_bytes, photograph
from train.data import Dataset

CLASSIFIER = Classifier.load()


@pytest.fixture(scope="module")
def photo(mnist: Dataset) -> Prediction:
    """A photo of the first validation digit, on squared paper."""
    content = jpeg_bytes(photograph(mnist.validation.images[0], invent_scene(20)))
    return CLASSIFIER.classify_picture(read_picture("photo.jpg", io.BytesIO(content)), "photo.jpg")


def _answer(pixels: np.ndarray, source: str = "x.png") -> Prediction:
    return CLASSIFIER.classify_picture(read_picture(source, io.BytesIO(png_bytes(pixels))), source)


def _panel(row: np.ndarray, number: int) -> np.ndarray:
    left = GAP + number * (PANEL + GAP)
    return row[2 * LINE : 2 * LINE + PANEL, left : left + PANEL]


def test_a_row_shows_every_step(photo: Prediction) -> None:
    """Five pictures from the photo to 28x28, with the digit's box, and the scores; the last picture is the image that was classified."""
    row = explanation_row(photo)
    assert row.shape == (PANEL + 3 * LINE + GAP, WIDTH, 3)
    panels = [_panel(row, number) for number in range(5)]
    assert all(panel.std() > 5 for panel in panels)
    assert len({panel.tobytes() for panel in panels}) == 5
    assert (panels[3] == (0xE0, 0x70, 0x00)).all(axis=2).any()
    assert np.array_equal(panels[4][3::6, 3::6, 0], photo.picture.image)
    assert (row[:, -explanation.BARS :] == (0x20, 0x60, 0xA0)).all(axis=2).sum() > 500


def test_a_picture_that_is_taken_as_it_is_is_one_picture(mnist: Dataset) -> None:
    """There are no steps to show."""
    row = explanation_row(_answer(mnist.validation.images[0]))
    assert _panel(row, 0).std() > 5
    assert (_panel(row, 1) == 255).all()


def test_warnings_are_written_below(mnist: Dataset) -> None:
    """A line each, in red; the row is higher for each of them."""
    blank = _answer(np.full((100, 130), 240, np.uint8))
    assert blank.warnings == ("blank: no ink stands out from the paper",)
    row = explanation_row(blank)
    assert row.shape[0] == PANEL + 4 * LINE + GAP
    below = row[PANEL + 2 * LINE :].astype(int)
    assert (below[..., 0] - below[..., 1] > 80).sum() > 50


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (2000, 3), (40, 50)])
def test_any_shape_is_drawn(shape: tuple[int, int]) -> None:
    """Down to a pixel, and much longer than wide."""
    assert explanation_row(_answer(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))).shape[1] == WIDTH


def test_any_name_is_drawn(mnist: Dataset) -> None:
    """In other scripts than the font has, and far too long."""
    for source in ("数字.png", "x" * 400 + ".png", ""):
        assert explanation_row(_answer(mnist.validation.images[0], source)).shape[1] == WIDTH


@pytest.mark.parametrize("name", ["a\nb.png", "a\rb.png", "a\x1bb.png", "a\udcffb.png"])
def test_a_name_stays_in_its_line(name: str, mnist: Dataset) -> None:
    """A line's end in it is shown as Python writes it, and nothing is printed over what is below."""
    image = mnist.validation.images[0]
    assert np.array_equal(explanation_row(_answer(image, name)), explanation_row(_answer(image, repr(name)[1:-1])))
    reading = Reading((), (), np.full((50, 50), 255, np.float32), (0, 0), 1.0)
    assert np.array_equal(reading.explain(name), reading.explain(repr(name)[1:-1]))


def test_a_page_is_a_png(tmp_path: Path) -> None:
    """Under no other name; by any command, before it works."""
    Page(tmp_path / "page.PNG")
    for name in ("page.jpg", "page", ".png"):
        with pytest.raises(BadArgument, match=r"ends in \.png"):
            Page(tmp_path / name)
    assert "out.jpg: --explain writes a PNG" in one_line(digits("classify", "missing.png", "--explain", "out.jpg"), 2)
    assert "out.jpg: --explain writes a PNG" in one_line(digits("read", "missing.png", "--explain", "out.jpg"), 2)


def test_the_font_of_an_older_pillow_will_do(photo: Prediction, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow before 10.1 has letters of one size only."""
    explanation._font.cache_clear()
    monkeypatch.setattr(PIL.ImageFont, "load_default", PIL.ImageFont.load_default_imagefont)
    try:
        assert explanation_row(photo).shape[1] == WIDTH
    finally:
        explanation._font.cache_clear()


def test_a_page_has_a_row_for_each_answer(photo: Prediction, tmp_path: Path) -> None:
    """One below the other, as a PNG file that is not overwritten unasked; without an answer there is none."""
    path = tmp_path / "page.png"
    page = Page(path)
    page.save()
    assert not path.exists()
    page.add(explanation_row(photo))
    page.add(explanation_row(photo))
    page.save()
    with PIL.Image.open(path) as opened:
        assert opened.size == (WIDTH, 2 * explanation_row(photo).shape[0])
    with pytest.raises(WouldOverwrite):
        Page(path)
    Page(path, force=True)


def test_too_many_for_a_page_are_refused_beforehand(tmp_path: Path) -> None:
    """The message says how many there may be."""
    page = Page(tmp_path / "page.png")
    assert page.check_room([1] * MAX_ROWS) == [1] * MAX_ROWS
    with pytest.raises(BadArgument, match=f"up to {MAX_ROWS} images, but more were given"):
        page.check_room([1] * (MAX_ROWS + 1))
