"""What may be wrong with a photo, in plain words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edge_runtime.preprocessing.segmentation import Strokes

FAINT = 30
"""Grey levels that ink should differ from its ground by."""
SMALL = 12
"""Pixels that a digit should have along its longer side, once the photo is reduced."""


def photo_warnings(strokes: "Strokes | None", ground: NDArray[np.float32], light: bool) -> tuple[str, ...]:
    """What is doubtful about the digit that was found; each text begins with a word for its kind and a colon."""
    if strokes is None:
        return ("blank: no ink stands out from the paper",)
    from edge_runtime.preprocessing.background import DARKEST  # a 28x28 picture, which is no photo, needs nothing of it

    top, left, bottom, right = strokes.box
    levels = strokes.contrast * max(float(ground[top:bottom, left:right].mean()), DARKEST)
    longest = max(bottom - top, right - left)
    found = {
        f"faint: the ink differs from the paper by {levels:.0f} of 255 grey levels": levels < FAINT,
        f"small: the digit is {longest} pixels large": longest < SMALL,
        f"several digits: {strokes.others + 1} were found, and the one with the most ink was taken": strokes.others > 0,
        "touches the edge: the digit may be cut off": strokes.cut,
        "inverted: it was read as light ink on dark ground": light,
    }
    return active_warnings(found)


def active_warnings(found: Mapping[str, bool]) -> tuple[str, ...]:
    """The texts that are true."""
    return tuple(text for text, holds in found.items() if holds)
