"""How a picture became an answer, drawn: a row for each, with the steps from the left to the right, the scores, and warnings below.

One of the two modules that import Pillow: it draws text and lines, which `images` has no need for.
"""

import itertools
import textwrap
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge_runtime.answers import Answer
from edge_runtime.errors import BadArgument
from edge_runtime.files import refuse_to_overwrite, write_file
from edge_runtime.images import png_bytes
from edge_runtime.reading.reader import Reading

T = TypeVar("T")
MOST_ROWS = 50
"""Pictures that one page explains at most."""
PANEL, GAP, LINE = 168, 12, 20
INK = 3
"""Which of the steps is the digit's ink."""
BARS = 230
WIDTH = 5 * (PANEL + GAP) + BARS + 2 * GAP
TALLEST = 900
"""Pixels that a picture of several digits is drawn high at most."""
PAPER, TEXT, FAINT, MARK, BAR, BEST, WARNING = "white", "#202020", "#707070", "#e07000", "#b8c4d0", "#2060a0", "#b00020"
DOUBT = "#e01060"
_CHARACTERS_A_LINE = 125


def explain(answer: Answer) -> NDArray[np.uint8]:
    """The row of one answer, uint8 [H, W, 3]."""
    warnings = [line for text in answer.warnings for line in textwrap.wrap(text, _CHARACTERS_A_LINE)]
    row = Image.new("RGB", (WIDTH, PANEL + (3 + len(warnings)) * LINE + GAP), PAPER)
    pen = ImageDraw.Draw(row)
    _write(pen, GAP, 4, _shorten(answer.source), TEXT)
    for number, (title, panel) in enumerate(_panels(answer)):
        left = GAP + number * (PANEL + GAP)
        _write(pen, left, LINE + 2, title, FAINT)
        row.paste(panel, (left + (PANEL - panel.width) // 2, 2 * LINE + (PANEL - panel.height) // 2))
    _draw_scores(pen, answer, WIDTH - BARS - GAP, LINE)
    for number, line in enumerate(warnings):
        _write(pen, GAP, PANEL + (2 + number) * LINE + 6, line, WARNING)
    return np.asarray(row)


def explain_reading(source: str, reading: Reading) -> NDArray[np.uint8]:
    """The picture with a box around each digit, what it was read as, and all that is doubtful below: uint8 [H, W, 3]."""
    picture = Image.fromarray(reading.grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    scale = min((WIDTH - 2 * GAP) / picture.width, TALLEST / picture.height)
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    pen = ImageDraw.Draw(picture)
    for digit in reading.digits:
        sides = zip(digit.box, 2 * reading.place[::-1], strict=True)
        left, top, right, bottom = (scale * (side / reading.scale - start) for side, start in sides)
        pen.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=DOUBT if digit.warnings else MARK)
        _write(pen, int(left), max(0, int(top) - 18), digit.label, DOUBT if digit.warnings else MARK)
    below = [*reading.text.splitlines(), *reading.doubts]
    lines = [line for text in below for line in textwrap.wrap(text, _CHARACTERS_A_LINE)]
    row = Image.new("RGB", (WIDTH, picture.height + (len(lines) + 2) * LINE + GAP), PAPER)
    row.paste(picture, (GAP, LINE + GAP))
    pen = ImageDraw.Draw(row)
    _write(pen, GAP, 4, _shorten(source), TEXT)
    for number, line in enumerate(lines):
        read = number < len(reading.lines)
        _write(pen, GAP, picture.height + (number + 1) * LINE + GAP + 4, line, TEXT if read else WARNING)
    return np.asarray(row)


class Page:
    """A PNG file with the rows of up to 50 answers, one below the other."""

    def __init__(self, path: Path, force: bool = False) -> None:
        """Ask before the work is done whether the file may be written.

        Raises:
            BadArgument: its name does not end in .png.
            WouldOverwrite: it exists and `force` is false.
        """
        if path.suffix.lower() != ".png":
            raise BadArgument(f"{path}: --explain draws a PNG; give a name that ends in .png")
        refuse_to_overwrite(path, force)
        self._path, self._force = path, force
        self._rows: list[NDArray[np.uint8]] = []

    def with_room_for(self, sources: Iterable[T]) -> list[T]:
        """The same sources, all of them.

        Raises:
            BadArgument: they are too many for a page.
        """
        found = list(itertools.islice(sources, MOST_ROWS + 1))
        if len(found) > MOST_ROWS:
            raise BadArgument(f"--explain draws up to {MOST_ROWS} pictures, here are more; give fewer, or leave it out")
        return found

    def add(self, row: NDArray[np.uint8]) -> None:
        """Put a row on the page: `explain`, or `explain_reading`."""
        self._rows.append(row)

    def save(self) -> None:
        """Write the file, if there is something on it."""
        if self._rows:
            write_file(self._path, png_bytes(np.concatenate(self._rows)), self._force)


def _panels(answer: Answer) -> list[tuple[str, Image.Image]]:
    """Titles and pictures of the steps, each at most 168 pixels large; the digit's ink has its box around it."""
    photo = answer.picture.photo
    if photo is None:
        inverted = any(text.startswith("inverted") for text in answer.picture.warnings)
        return [(f"28x28, {'inverted' if inverted else 'as it is'}", _thumbnail(answer.picture.image))]
    panels = [(title, _thumbnail(levels)) for title, levels in photo.steps]
    if photo.strokes:
        panel = panels[INK][1]
        scale = panel.height / photo.ink.shape[0]
        top, left, bottom, right = (side * scale for side in photo.strokes.box)
        ImageDraw.Draw(panel).rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=MARK)
    return panels


def _thumbnail(levels: NDArray[np.uint8]) -> Image.Image:
    """Grey levels, at most 168 pixels large; small ones are enlarged."""
    image = Image.fromarray(levels)
    scale = PANEL / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST).convert("RGB")


def _draw_scores(pen: ImageDraw.ImageDraw, answer: Answer, left: int, top: int) -> None:
    """The ten largest scores as bars, in the order of their classes."""
    scores = answer.result.scores
    shown = sorted(np.argsort(-scores, kind="stable")[:10].tolist())
    height = (PANEL + LINE) / max(len(shown), 5)
    for number, index in enumerate(shown):
        middle = top + (number + 0.5) * height
        best = index == answer.result.index
        end = left + 40 + (BARS - 100) * float(scores[index])
        pen.rectangle((left + 40, middle - height * 0.35, end, middle + height * 0.35), fill=BEST if best else BAR)
        _write(pen, left, int(middle - 8), answer.labels[index][:6], TEXT if best else FAINT)
        if scores[index] >= 0.0005:
            _write(pen, int(end) + 4, int(middle - 8), f"{100 * scores[index]:.1f} %", TEXT if best else FAINT)


def _write(pen: ImageDraw.ImageDraw, left: int, top: int, text: str, colour: str) -> None:
    """Text in the font that Pillow brings along, which has the letters of Latin-1 at least."""
    pen.text((left, top), _printable(text).encode("latin-1", "replace").decode("latin-1"), fill=colour, font=_font())


@lru_cache(maxsize=1)
def _font() -> Any:
    try:
        return ImageFont.load_default(13)
    except (TypeError, ImportError):  # before Pillow 10.1, or without FreeType: letters of one size
        return ImageFont.load_default()


def _shorten(source: str) -> str:
    shown = _printable(source)
    return shown if len(shown) <= _CHARACTERS_A_LINE else f"...{shown[3 - _CHARACTERS_A_LINE :]}"


def _printable(text: str) -> str:
    """In one line: what cannot be printed, such as a line's end in a file's name, as Python writes it."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
