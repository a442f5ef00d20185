"""Sets of invented lines, and what is read from a network's outputs. Needs no TensorFlow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.reading.line_model import BLANK, digits_of, text_of
from train.data import Split
from train.lines.writing import LONGEST, Digits, write_lines

CLASSES = BLANK + 1
"""Ten digits and the blank of CTC, which is the last."""
_VALIDATION_SEED, _TEST_SEED = 1_000_000, 2_000_000


@dataclass(frozen=True)
class Lines:
    """Line images, uint8 [N, 32, W], 0 to the right of each line, and the digits of each."""

    images: NDArray[np.uint8]
    texts: list[str]

    @property
    def labels(self) -> NDArray[np.int32]:
        """The digits of each line and -1 after them: int32 [N, 10]."""
        found = np.full((len(self.texts), LONGEST), -1, np.int32)
        for row, text in zip(found, self.texts, strict=True):
            row[: len(text)] = [int(digit) for digit in text]
        return found

    def whole(self, logits: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether each line is read without an error from these logits, [N, T, 11]."""
        return np.array([read == text for read, text in zip(best_paths(logits), self.texts, strict=True)])


def held_out_lines(split: Split, count: int, test: bool = False) -> Lines:
    """Lines of images that are not trained on, with drawn digits of their own."""
    seed = _TEST_SEED if test else _VALIDATION_SEED
    return Lines(*write_lines(Digits.of(split, max(100, count // 4), seed), count, seed))


def best_paths(logits: NDArray[Any]) -> list[str]:
    """The digits of each line by its most probable class in each frame, [N, T, 11]: repeated classes count once, blanks not."""
    return [text_of(digits_of(frames)) for frames in logits]
