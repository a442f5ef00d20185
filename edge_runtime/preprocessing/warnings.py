"""Warnings about photos."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edge_runtime.preprocessing.segmentation import Strokes

FAINT = 30
"""Minimum contrast of ink that is not faint, in grey levels."""
SMALL = 12
"""Minimum longer side of a digit that is not small, in pixels of the reduced photo."""
DARK = 127
"""Maximum mean grey level of a background on which light ink is no surprise."""


def photo_warnings(
    strokes: "Strokes | None", background: NDArray[np.float32], light: bool, *, cropped: bool = False
) -> tuple[str, ...]:
    """Warnings about the digit that was found, which fills the frame of a cropped picture. Each begins with its kind and a colon."""
    if strokes is None:
        return ("blank: no ink stands out from the paper",)
    from edge_runtime.preprocessing.background import BLACK  # not imported for 28x28 images

    top, left, bottom, right = strokes.box
    levels = strokes.contrast * max(float(background[top:bottom, left:right].mean()), BLACK)
    longest = max(bottom - top, right - left)
    conditions = {
        f"faint: the ink differs from the paper by {levels:.0f} of 255 grey levels": levels < FAINT,
        f"small: the digit is {longest} pixels large": longest < SMALL,
        f"several digits: {strokes.others + 1} were found, and the one with the most ink was classified": strokes.others > 0,
        "touches the edge: the digit may be cut off": strokes.cut and not cropped,
        "inverted: read as light ink on a light background": light and float(background.mean()) > DARK,
    }
    return active_warnings(conditions)


def active_warnings(conditions: Mapping[str, bool]) -> tuple[str, ...]:
    """The texts whose conditions hold."""
    return tuple(text for text, holds in conditions.items() if holds)
