"""Several digits in a picture are read, in order, with boxes; what touches is parted or told."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_runtime import Classifier
from edge_runtime.model.model_file import read_model_file
from edge_runtime.preprocessing.image_files import read_pixels
from edge_runtime.reading import Digit, Reader, Reading
from tests.commands import digits, one_line
from tests.photos import APART, OVERLAPPING, TOUCHING, photograph_line
from train.data import Dataset, Split
from train.lines.dataset import held_out_lines

READER = Reader(Classifier.load())


def _photo(split: Split, seed: int, gap: tuple[float, float]) -> tuple[str, bytes]:
    """What is written on the photo of a line, and the photo."""
    numbers, content = photograph_line(split.images, seed, gap)
    return "".join(str(label) for label in split.labels[numbers]), content


def _read(content: bytes) -> Reading:
    return READER.read(*read_pixels("photo", io.BytesIO(content), longest=2048))


class _Lines(NamedTuple):
    """Of so many lines: how many are read wholly right, how many of these have a warning, and how many of the others have none."""

    count: int
    right: int
    warned: int
    silent: int


def _lines(split: Split, seeds: range, gap: tuple[float, float]) -> _Lines:
    right = warned = silent = 0
    for seed in seeds:
        written, content = _photo(split, seed, gap)
        reading = _read(content)
        warnings = [text for text in reading.all_warnings if not text.startswith("inverted")]  # which is as it should be
        is_right = reading.text.replace(" ", "") == written
        right += is_right
        warned += is_right and bool(warnings)
        silent += not is_right and not warnings
    return _Lines(len(seeds), right, warned, silent)


def test_lines_of_digits_are_read(mnist: Dataset) -> None:
    """Photos with shadows, ruled and squared paper, slanted: 10 of 12 lines are wholly right."""
    assert _lines(mnist.validation, range(12), APART).right >= 10


@pytest.mark.sweep
def test_very_many_lines_of_digits_are_read(mnist: Dataset) -> None:
    """Others than those that the constants were chosen on: 88 % are right, under 5 % of all with a needless warning; 3 % wrong without."""
    found = _lines(mnist.validation, range(30_000, 30_200), APART)
    assert found.right >= 0.88 * found.count
    assert found.warned < 0.05 * found.count
    assert found.silent <= 0.03 * found.count


@pytest.mark.slow
@pytest.mark.parametrize(("gap", "right"), [(TOUCHING, 0.85), (OVERLAPPING, 0.75)])
def test_touching_digits_are_parted_or_told(gap: tuple[float, float], right: float, mnist: Dataset) -> None:
    """Where most digits touch, 85 % of the lines are wholly right, where most overlap, 75 %; at most 3 % are wrong without a warning."""
    found = _lines(mnist.validation, range(30_000, 30_100), gap)
    assert found.right >= right * found.count
    assert found.silent <= 0.03 * found.count


def test_lines_that_fill_a_picture_are_read_by_the_line_model(mnist: Dataset) -> None:
    """As amounts are cut from cheques: 30 to 80 pixels high, on security patterns, with marks that are no digits: 70 % are wholly right."""
    lines = held_out_lines(mnist.validation, 60)
    dice, right = np.random.default_rng(0), 0
    for image, text in zip(lines.images, lines.texts, strict=True):
        width = int(image.any(axis=0).nonzero()[0][-1]) + 1
        height = int(dice.integers(30, 81))
        grey = (230 - 0.7 * image[:, :width]).astype(np.uint8)
        size = (max(round(1.3 * height), round(width * height / image.shape[0])), height)
        picture = np.asarray(PIL.Image.fromarray(grey).resize(size, PIL.Image.Resampling.BILINEAR))
        reading = READER.read(255 - picture if dice.random() < 0.3 else picture)
        right += reading.text.replace(" ", "") == text
        for digit in reading.digits:
            left, top, right_side, bottom = digit.box
            assert 0 <= left < right_side <= size[0]
            assert 0 <= top < bottom <= size[1]
    assert right >= 0.7 * len(lines.texts)


def test_noise_is_no_line() -> None:
    """In pictures of a line's form, and in ones that are too small for a digit."""
    dice = np.random.default_rng(1)
    pictures = [*dice.integers(0, 256, (5, 60, 200)), dice.integers(0, 256, (3, 9))]
    for picture in pictures:
        assert READER.read(picture.astype(np.uint8)).text == ""


def test_two_lines_of_a_small_picture_are_two(mnist: Dataset) -> None:
    """Though it is as small as a picture that one line fills."""
    page = _drawn(mnist, (0, 100, 100), (1, 100, 190), (2, 100, 280), (3, 220, 100), (4, 220, 190), (5, 220, 280))[80:330, 80:400]
    small = np.asarray(PIL.Image.fromarray(page).resize((192, 150), PIL.Image.Resampling.BOX))
    labels = [str(label) for label in mnist.validation.labels[:6]]
    assert READER.read(small).text.split() == ["".join(labels[:3]), "".join(labels[3:])]


def test_a_model_of_other_labels_reads_without_the_line_model(cnn_files: dict[str, Path]) -> None:
    """It knows digits alone."""
    model = read_model_file(cnn_files["int8"])
    letters = replace(model, labels=tuple("ABCDEFGHIJ"))
    assert Reader(Classifier(letters))._line_model is None
    assert Reader(Classifier(model))._line_model is not None


def _drawn(mnist: Dataset, *places: tuple[int, int, int]) -> np.ndarray:
    """Dark digits on a light page, uint8: of each the number of a validation image, its row and column, 84 pixels large."""
    page = np.full((400, 600), 240, np.uint8)
    for number, row, column in places:
        large = np.asarray(PIL.Image.fromarray(mnist.validation.images[number]).resize((84, 84), PIL.Image.Resampling.BICUBIC))
        part = page[row : row + 84, column : column + 84]
        np.minimum(part, 240 - (large * 0.8).astype(np.uint8), out=part)
    return page


def test_boxes_are_those_of_the_picture(mnist: Dataset) -> None:
    """In pixels of the file, also when it was reduced; digits far apart have a space between them, and lines are lines."""
    labels = mnist.validation.labels
    page = _drawn(mnist, (0, 50, 40), (1, 50, 110), (2, 50, 330), (3, 250, 60))
    small = READER.read(page)
    assert small.text == f"{labels[0]}{labels[1]} {labels[2]}\n{labels[3]}"
    large = READER.read(np.kron(page, np.ones((5, 5), np.uint8)))
    assert large.text == small.text
    for one, other in zip(small.digits, large.digits, strict=True):
        assert other.box == pytest.approx([5 * side for side in one.box], abs=12)
    left, top, right, bottom = next(small.digits).box
    ink = page < 150
    assert ink[top:bottom, left:right].sum() == ink[40:140, 30:120].sum() - ink[40:140, right:120].sum()


def test_touching_digits_are_parted(mnist: Dataset) -> None:
    """Two digits that a stroke joins are two, and it is told."""
    page = _drawn(mnist, (0, 100, 100), (2, 100, 176))
    page[140:146, 150:200] = 60
    reading = READER.read(page)
    assert len(list(reading.digits)) == 2 or any(digit.warnings for digit in reading.digits)


@pytest.mark.parametrize(
    ("seed", "gap"),
    [(5_188, TOUCHING), (5_213, TOUCHING), (5_605, TOUCHING), (5_728, TOUCHING), (5_044, OVERLAPPING), (5_929, OVERLAPPING)],
)
def test_digits_that_run_together_are_told(seed: int, gap: tuple[float, float], mnist: Dataset) -> None:
    """Of several kinds, each taken for one digit once, though the model is sure of that."""
    written, content = _photo(mnist.validation, seed, gap)
    reading = _read(content)
    assert reading.text.replace(" ", "") == written or any("touching" in text for text in reading.all_warnings)


@pytest.mark.parametrize("seed", [5_035, 5_150, 5_158, 5_162, 5_307])
def test_a_slanted_one_is_one_digit(seed: int, mnist: Dataset) -> None:
    """However wide: its two halves would be ones too, but only half as high."""
    written, content = _photo(mnist.validation, seed, APART)
    reading = _read(content)
    assert reading.text.replace(" ", "") == written
    assert not any("touching" in text for text in reading.all_warnings)


def test_what_is_left_out_is_told_if_it_is_no_speck(mnist: Dataset) -> None:
    """A grid of a third of the digits' height is one, a star as high as they are is not."""
    page = _drawn(mnist, (0, 50, 40), (1, 50, 110), (2, 50, 180))
    page[250:270, 300:320] = 240 - 200 * (np.indices((20, 20)) % 8 < 2).any(axis=0)
    reading = READER.read(page)
    assert (reading.text, reading.warnings) == ("".join(map(str, mnist.validation.labels[:3])), ())
    down, across = np.indices((84, 84)) - 42
    star = np.minimum.reduce([abs(down - across), abs(down + across), abs(down), abs(across)]) < 5
    page[250:334, 300:384] = 240 - 200 * star
    assert READER.read(page).warnings == ("left out: 1 marks that are unlike any digit",)


@pytest.mark.parametrize("level", [0, 200, 255])
def test_an_empty_page_is_blank(level: int) -> None:
    """There is nothing to read, and no error."""
    reading = READER.read(np.full((300, 200), level, np.uint8))
    assert (reading.text, reading.lines, reading.warnings) == ("", (), ("blank: no digit stands out from the paper",))


@settings(max_examples=40, deadline=None)
@given(pixels=arrays(np.uint8, st.tuples(st.integers(1, 80), st.integers(1, 80))))
def test_any_picture_is_read(pixels: np.ndarray) -> None:
    """Whatever it shows; boxes lie within it."""
    for digit in READER.read(pixels).digits:
        left, top, right, bottom = digit.box
        assert 0 <= left < right <= pixels.shape[1]
        assert 0 <= top < bottom <= pixels.shape[0]


def test_the_command_prints_lines(mnist: Dataset, tmp_path: Path) -> None:
    """One picture's digits alone, several pictures' with their names; boxes as JSON; a drawing that is not replaced unasked."""
    labels = mnist.validation.labels
    PIL.Image.fromarray(_drawn(mnist, (0, 50, 40), (1, 50, 110))).save(tmp_path / "a.png")
    PIL.Image.fromarray(_drawn(mnist, (3, 250, 60))).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"broken")
    assert digits("read", tmp_path / "a.png").out == f"{labels[0]}{labels[1]}\n"
    several = digits("read", tmp_path, "--explain", tmp_path / "how" / "how.png")
    assert several.out == f"{tmp_path}/a.png: {labels[0]}{labels[1]}\n{tmp_path}/b.png: {labels[3]}\n"
    assert (several.code, several.err.count("\n")) == (4, 1)
    assert "c.png: is not a PNG" in several.err
    with PIL.Image.open(tmp_path / "how" / "how.png") as drawing:
        assert drawing.width > 1_000
        assert (np.asarray(drawing) == (0xE0, 0x70, 0x00)).all(axis=2).sum() > 300
    assert "how.png" in one_line(digits("read", tmp_path / "a.png", "--explain", tmp_path / "how" / "how.png"), 1)
    assert "does not read standard input" in one_line(digits("read", "-"), 2)


def test_the_json_of_a_picture(mnist: Dataset, tmp_path: Path) -> None:
    """As docs/classify.md has it: one flat list in reading order; boxes are x, y, width, height, whole numbers within the picture."""
    labels = mnist.validation.labels
    path = tmp_path / "a.png"
    PIL.Image.fromarray(_drawn(mnist, (0, 50, 40), (1, 50, 110), (3, 250, 60))).save(path)
    found = json.loads(digits("read", path, "--json").out)
    assert set(found) == {"source", "text", "digits", "warnings"}
    assert (found["source"], found["text"]) == (str(path), f"{labels[0]}{labels[1]}\n{labels[3]}")
    assert [digit["label"] for digit in found["digits"]] == [str(labels[number]) for number in (0, 1, 3)]
    for digit, (row, column) in zip(found["digits"], ((50, 40), (50, 110), (250, 60)), strict=True):
        assert set(digit) == {"label", "confidence", "box"}
        x, y, width, height = digit["box"]
        assert all(isinstance(side, int) for side in digit["box"])
        assert column <= x <= x + width <= column + 84
        assert row <= y <= y + height <= row + 84
        assert max(width, height) > 50


def test_doubts_of_digits_are_among_the_warnings_of_the_json() -> None:
    """With their place, as on stderr, after those of the whole picture."""
    image = np.zeros((28, 28), np.uint8)
    digit = Digit("7", 0.9, (5, 10, 25, 40), ("touching: may be 11", "touches the edge: ..."), image)
    reading = Reading(((digit,),), ("inverted: ...",), np.zeros((50, 50), np.float32), (0, 0), 1.0)
    found = json.loads(reading.as_json("x"))
    assert found["warnings"] == ["inverted: ...", "7 at 5, 10: touching: may be 11", "7 at 5, 10: touches the edge: ..."]
    assert found["digits"] == [{"label": "7", "confidence": 0.9, "box": [5, 10, 20, 30]}]


def test_a_picture_without_a_digit_is_no_error(tmp_path: Path) -> None:
    """Nothing on stdout, a line on stderr, exit 0; an empty text with the warning in JSON."""
    path = tmp_path / "white.png"
    PIL.Image.fromarray(np.full((400, 400), 255, np.uint8)).save(path)
    answer = digits("read", path)
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == f"digits: {path}: blank: no digit stands out from the paper\n"
    found = json.loads(digits("read", path, "--json").out)
    assert found == {"source": str(path), "text": "", "digits": [], "warnings": ["blank: no digit stands out from the paper"]}
