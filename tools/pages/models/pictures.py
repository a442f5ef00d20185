"""Pictures of the model cards: the confusion matrix and the digits that a model gets wrong."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from edge_runtime.common.json_codec import to_json
from edge_runtime.common.pixels import SIDE
from tools.release.evaluation import SplitEvaluation
from train.runs.plots import png

MOST_SHOWN = 96
_ACROSS = 12
_CELL_WIDTH, _CELL_HEIGHT, _INCHES = 32, 44, 0.0225  # of the picture of mistakes: pixels of a cell, inches of a pixel
_SOURCE = "Source"


@dataclass(frozen=True)
class Picture:
    """A picture of a page: the file's name, a hash of the figures that it shows, and how to draw it."""

    name: str
    source: str
    draw: Callable[[], Figure]

    def content(self) -> bytes:
        """The PNG, in 64 colours to keep it small, with the hash inside."""
        image = Image.open(io.BytesIO(png(self.draw()))).convert("RGB").quantize(64, dither=Image.Dither.NONE)
        note = PngInfo()
        note.add_text(_SOURCE, self.source)
        stream = io.BytesIO()
        image.save(stream, "PNG", optimize=True, pnginfo=note)
        return stream.getvalue()

    def is_drawn_in(self, folder: Path) -> bool:
        """Whether the folder has this picture of these very figures."""
        try:
            with Image.open(folder / self.name) as image:
                return bool(image.info.get(_SOURCE) == self.source)
        except OSError:
            return False


def pictures_of(name: str, evaluation: SplitEvaluation, images: NDArray[np.uint8]) -> list[Picture]:
    """Pictures of a model's answers to the images that were evaluated, uint8 [N, 28, 28]; of mistakes where there are any."""
    source = hashlib.sha256(to_json(evaluation).encode()).hexdigest()
    pictures = [Picture(f"{name}-confusion.png", source, lambda: confusion_matrix(evaluation))]
    if evaluation.mistakes:
        pictures.append(Picture(f"{name}-mistakes.png", source, lambda: mistakes(evaluation, images)))
    return pictures


def confusion_matrix(evaluation: SplitEvaluation) -> Figure:
    """Labels against answers: right ones as numbers on grey, wrong ones in red, the more of them the darker."""
    counts = np.array(evaluation.confusion)
    wrong = counts - np.diag(np.diag(counts))
    darkest = max(int(wrong.max()), 1)
    figure = Figure(figsize=(5, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.where(wrong > 0, wrong, np.nan), cmap="Reds", vmin=-darkest / 4, vmax=darkest * 1.2)
    axes.imshow(np.where(np.eye(len(counts), dtype=bool), 1.0, np.nan), cmap="Greys", vmin=0, vmax=6)
    for (label, answer), count in np.ndenumerate(counts):
        if count:
            size, dark = (8, False) if label == answer else (9.5, count > darkest * 0.7)
            axes.text(answer, label, f"{count:,}", ha="center", va="center", fontsize=size, color="white" if dark else "black")
    axes.set_xticks(range(len(counts)))
    axes.set_yticks(range(len(counts)))
    axes.set_xticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="gainsboro", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    return figure


def mistakes(evaluation: SplitEvaluation, images: NDArray[np.uint8]) -> Figure:
    """The first wrongly answered images, by label, each with its label, the answer, and its index in small."""
    shown = sorted(evaluation.mistakes[:MOST_SHOWN], key=lambda mistake: (mistake.label, mistake.answer, mistake.index))
    rows = max(1, -(-len(shown) // _ACROSS))
    canvas = np.zeros((rows * _CELL_HEIGHT, _ACROSS * _CELL_WIDTH), np.uint8)
    figure = Figure(figsize=(canvas.shape[1] * _INCHES, canvas.shape[0] * _INCHES))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    for number, mistake in enumerate(shown):
        top, left = number // _ACROSS * _CELL_HEIGHT, number % _ACROSS * _CELL_WIDTH
        canvas[top + 10 : top + 10 + SIDE, left + 2 : left + 2 + SIDE] = images[mistake.index]
        axes.text(left + 16, top + 6, f"{mistake.label} → {mistake.answer}", fontsize=9, ha="center", va="center")
        axes.text(left + 16, top + 40, str(mistake.index), fontsize=5.5, ha="center", va="center", color="gray")
    axes.imshow(canvas, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    return figure
