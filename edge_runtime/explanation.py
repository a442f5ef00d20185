"""The page of `--explain`: rows with preprocessing steps, bars of scores, boxes and warnings, drawn from arrays and text with Pillow."""

import itertools
import textwrap
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.errors import BadArgument
from edge_runtime.preprocessing.image_files import png_bytes

T = TypeVar("T")
MAX_ROWS = 50
"""Maximum number of pictures on a page."""
PANEL, GAP, LINE = 168, 12, 20
BARS = 230
WIDTH = 5 * (PANEL + GAP) + BARS + 2 * GAP
MAX_HEIGHT = 900
"""Maximum height of a drawn page of digits, in pixels."""
PAPER, TEXT, FAINT, BOX, BAR, BEST, WARNING = "white", "#202020", "#707070", "#e07000", "#b8c4d0", "#2060a0", "#b00020"
DOUBTFUL = "#e01060"
_CHARACTERS_A_LINE = 125


class Panel(NamedTuple):
    """One preprocessing step.

    title: caption. levels: grey levels, uint8 [H, W]. box: drawn around the digit, (top, left, bottom, right) in pixels of `levels`.
    """

    title: str
    levels: NDArray[np.uint8]
    box: tuple[float, float, float, float] | None = None


class Box(NamedTuple):
    """A digit on a picture: (left, top, right, bottom) in pixels of the picture, its label, and whether it has warnings."""

    sides: tuple[float, float, float, float]
    label: str
    doubtful: bool


def draw_prediction(
    source: str,
    panels: Sequence[Panel],
    scores: NDArray[np.float64] | None,
    labels: Sequence[str],
    warnings: Sequence[str],
    note: str = "",
) -> NDArray[np.uint8]:
    """Draw the row of one prediction: panels from left to right, the ten largest scores, and warnings below.

    Args:
        source: name of the picture, drawn above the row.
        panels: at most five.
        scores: float [classes], from 0 to 1; None draws no bars.
        labels: one per score.
        warnings: each drawn as a red line.
        note: drawn above them.

    Returns:
        uint8 [H, W, 3].
    """
    texts = [*([(note, FAINT)] if note else []), *((text, WARNING) for text in warnings)]
    lines = [(line, colour) for text, colour in texts for line in textwrap.wrap(text, _CHARACTERS_A_LINE)]
    row = Image.new("RGB", (WIDTH, PANEL + (3 + len(lines)) * LINE + GAP), PAPER)
    pen = ImageDraw.Draw(row)
    _write(pen, GAP, 4, _shorten(source), TEXT)
    for number, panel in enumerate(panels):
        left = GAP + number * (PANEL + GAP)
        _write(pen, left, LINE + 2, panel.title, FAINT)
        drawn = _draw_panel(panel)
        row.paste(drawn, (left + (PANEL - drawn.width) // 2, 2 * LINE + (PANEL - drawn.height) // 2))
    if scores is not None:
        _draw_scores(pen, scores, labels, WIDTH - BARS - GAP, LINE)
    for number, (line, colour) in enumerate(lines):
        _write(pen, GAP, PANEL + (2 + number) * LINE + 6, line, colour)
    return np.asarray(row)


def draw_reading(
    source: str, grey: NDArray[np.float32], boxes: Iterable[Box], text: Sequence[str], warnings: Sequence[str]
) -> NDArray[np.uint8]:
    """Draw a picture with a box around each digit, and the text and warnings below.

    Args:
        source: name of the picture, drawn above the row.
        grey: grey levels from 0 to 255, [H, W].
        boxes: in pixels of `grey`.
        text: the lines of digits.
        warnings: each drawn as a red line.

    Returns:
        uint8 [H, W, 3].
    """
    picture = Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    scale = min((WIDTH - 2 * GAP) / picture.width, MAX_HEIGHT / picture.height)
    picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    pen = ImageDraw.Draw(picture)
    for box in boxes:
        left, top, right, bottom = (scale * side for side in box.sides)
        colour = DOUBTFUL if box.doubtful else BOX
        pen.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=colour)
        _write(pen, int(left), max(0, int(top) - 18), box.label, colour)
    below = [*((line, TEXT) for line in text), *((line, WARNING) for line in warnings)]
    lines = [(line, colour) for text, colour in below for line in textwrap.wrap(text, _CHARACTERS_A_LINE)]
    row = Image.new("RGB", (WIDTH, picture.height + (len(lines) + 2) * LINE + GAP), PAPER)
    row.paste(picture, (GAP, LINE + GAP))
    pen = ImageDraw.Draw(row)
    _write(pen, GAP, 4, _shorten(source), TEXT)
    for number, (line, colour) in enumerate(lines):
        _write(pen, GAP, picture.height + (number + 1) * LINE + GAP + 4, line, colour)
    return np.asarray(row)


class Page:
    """A PNG file with up to 50 rows."""

    def __init__(self, path: Path, force: bool = False) -> None:
        """Check, before any work is done, that the file may be written.

        Raises:
            BadArgument: its name does not end in .png.
            WouldOverwrite: it exists and `force` is false.
        """
        if path.suffix.lower() != ".png":
            raise BadArgument(f"{path}: --explain writes a PNG file; give a name that ends in .png")
        refuse_to_overwrite(path, force)
        self._path, self._force = path, force
        self._rows: list[NDArray[np.uint8]] = []

    def check_room(self, sources: Iterable[T]) -> list[T]:
        """Return all sources as a list.

        Raises:
            BadArgument: they are more than a page holds.
        """
        found = list(itertools.islice(sources, MAX_ROWS + 1))
        if len(found) > MAX_ROWS:
            raise BadArgument(f"--explain draws up to {MAX_ROWS} images, but more were given; give fewer, or omit --explain")
        return found

    def add(self, row: NDArray[np.uint8]) -> None:
        """Append a row, as `draw_prediction` and `draw_reading` return it."""
        self._rows.append(row)

    def save(self) -> None:
        """Write the file, unless the page is empty."""
        if self._rows:
            write_file(self._path, png_bytes(np.concatenate(self._rows)), self._force)


def _draw_panel(panel: Panel) -> Image.Image:
    """A panel of at most 168x168 pixels, with the box around the digit."""
    drawn = _thumbnail(panel.levels)
    if panel.box:
        top, left, bottom, right = (side * drawn.height / panel.levels.shape[0] for side in panel.box)
        ImageDraw.Draw(drawn).rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=BOX)
    return drawn


def _thumbnail(levels: NDArray[np.uint8]) -> Image.Image:
    """Grey levels scaled to 168 pixels along the longer side."""
    image = Image.fromarray(levels)
    scale = PANEL / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST).convert("RGB")


def _draw_scores(pen: ImageDraw.ImageDraw, scores: NDArray[np.float64], labels: Sequence[str], left: int, top: int) -> None:
    """Draw the ten largest scores as bars, in the order of their classes."""
    shown = sorted(np.argsort(-scores, kind="stable")[:10].tolist())
    height = (PANEL + LINE) / max(len(shown), 5)
    for number, index in enumerate(shown):
        middle = top + (number + 0.5) * height
        best = index == int(np.argmax(scores))
        end = left + 40 + (BARS - 100) * float(scores[index])
        pen.rectangle((left + 40, middle - height * 0.35, end, middle + height * 0.35), fill=BEST if best else BAR)
        _write(pen, left, int(middle - 8), labels[index][:6], TEXT if best else FAINT)
        if scores[index] >= 0.0005:
            _write(pen, int(end) + 4, int(middle - 8), f"{100 * scores[index]:.1f} %", TEXT if best else FAINT)


def _write(pen: ImageDraw.ImageDraw, left: int, top: int, text: str, colour: str) -> None:
    """Write text in Pillow's default font, which covers Latin-1."""
    pen.text((left, top), _printable(text).encode("latin-1", "replace").decode("latin-1"), fill=colour, font=_font())


@lru_cache(maxsize=1)
def _font() -> Any:
    try:
        return ImageFont.load_default(13)
    except (TypeError, ImportError):  # before Pillow 10.1, or without FreeType: a bitmap font
        return ImageFont.load_default()


def _shorten(source: str) -> str:
    shown = _printable(source)
    return shown if len(shown) <= _CHARACTERS_A_LINE else f"...{shown[3 - _CHARACTERS_A_LINE :]}"


def _printable(text: str) -> str:
    """Escape characters that cannot be printed, such as a line break in a file name."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
