"""Reads the digits of a page with a model that knows one digit at a time."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import Image
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.results import Classification, check_finite
from edge_runtime.preprocessing.pipeline import find_ink
from edge_runtime.preprocessing.warnings import active_warnings
from edge_runtime.reading.page_layout import Mark, find_marks, merge, split_at, split_evenly

LONGEST = 2048
"""Longer side that pages are reduced to: digits of a hundredth of it are still 20 pixels high."""
WIDE = 1.3
"""Marks wider than so many times their height may be several digits that touch."""
NARROW = 0.5
"""Marks narrower than this share of their height are one digit."""
MOST_PARTS = 4
ASIDE, REACH = (0.3, 0.7), 0.12
"""Where else a mark is cut in two, for a narrow digit beside a wide one, and how far off that: shares of its width."""
UPRIGHT, UPRIGHT_ASIDE = 0.75, 0.85
"""Parts are digits if they have this share of the mark's height: cut in the middle, or aside. Halves of a slanted 1 have less."""
ASIDE_LESS = 1.0
"""So much less sure than the mark itself the parts may be that are cut aside: more of them are digits there."""
TOUCHING = 0.15
"""Marks not further apart than this share of their height may be one digit in two strokes."""
ALIKE = 0.75
"""Neighbours of which one has less than this share of both's height may be strokes of one digit, though they are like digits themselves."""
ODD = (0.5, 2.0)
"""Marks that are like no digit and not so high, in shares of the usual height, are none."""
SPACE = 1.5
"""A gap of so many heights is a space."""
UNSURE = 0.5
"""A digit that is answered with less than this confidence may be another one; of models without a calibration, none."""


@frozen_dataclass
class Digit:
    """A digit that was read.

    box: left, top, right and bottom in pixels of the picture, right and bottom just outside. image: uint8 [28, 28], as the model saw it.
    """

    label: str
    confidence: float
    box: tuple[int, int, int, int]
    warnings: tuple[str, ...]
    image: Image = field(repr=False)


@frozen_dataclass
class Reading:
    """What was read.

    lines: from top to bottom, their digits from left to right. grey: float32 [H, W], the sheet that was looked at; place: row and column of
    its upper left pixel in the reduced picture; scale: pixels of the picture to one of the reduced one.
    """

    lines: tuple[tuple[Digit, ...], ...]
    warnings: tuple[str, ...]
    grey: NDArray[np.float32] = field(repr=False)
    place: tuple[int, int]
    scale: float

    @property
    def text(self) -> str:
        """The digits, a line a line; a space where the gap is wider than one and a half digits are high."""
        return "\n".join(_text(line) for line in self.lines)

    @property
    def digits(self) -> Iterator[Digit]:
        """All of them, in reading order."""
        return (digit for line in self.lines for digit in line)

    @property
    def doubts(self) -> tuple[str, ...]:
        """All that is doubtful: about the picture, and about a digit, with the label and the place of its upper left corner before it."""
        of_digits = (f"{d.label} at {d.box[0]}, {d.box[1]}: {text}" for d in self.digits for text in d.warnings)
        return (*self.warnings, *of_digits)

    def as_json(self, source: str) -> str:
        """One line with one JSON object: source, text, digits with label, confidence and box (x, y, width, height), and warnings."""
        digits = [{"label": d.label, "confidence": d.confidence, "box": _with_size(d.box)} for d in self.digits]
        return json.dumps({"source": source, "text": self.text, "digits": digits, "warnings": self.doubts})

    def explain(self, source: str) -> NDArray[np.uint8]:
        """The row of an explanation page, uint8 [H, W, 3]: the picture with a box around each digit, and what was read."""
        from edge_runtime.explanation import Box, draw_reading

        top, left = self.place

        def on_grey(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
            x0, y0, x1, y1 = (side / self.scale for side in box)
            return x0 - left, y0 - top, x1 - left, y1 - top

        boxes = [Box(on_grey(digit.box), digit.label, bool(digit.warnings)) for digit in self.digits]
        return draw_reading(source, self.grey, boxes, self.text.splitlines(), self.doubts)


@frozen_dataclass
class _Seen:
    """A mark with what the model says of it. sureness: above 0 if it is like a digit, the more the better."""

    mark: Mark
    image: Image
    result: Classification
    sureness: float
    note: str = ""


def _worst(parts: Sequence[_Seen]) -> float:
    """How sure the least sure of them is; of none, not at all."""
    return min((part.sureness for part in parts), default=-np.inf)


def _may_be(parts: Sequence[_Seen], whole: _Seen, upright: float, less: float) -> bool:
    """Whether parts may be digits that a mark is made of: nearly as high as it, and as sure, but for so much."""
    high = all(part.mark.height >= upright * whole.mark.height for part in parts)
    return high and _worst(parts) > max(0.0, whole.sureness - less)


def _labels(parts: Sequence[_Seen]) -> str:
    return "".join(part.result.label for part in parts)


class Reader:
    """Reads pages with one model. What is no digit is told by its calibration, where it has one, else by its confidence."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._detector = classifier.out_of_distribution

    def read(self, pixels: Any, scale: float = 1) -> Reading:
        """Read all digits of a picture.

        Args:
            pixels: as `photos.grey_of` takes them; more than 2048 along the longer side are reduced.
            scale: pixels of the picture to one of these, for the boxes.

        Raises:
            ImageError: it is no such array.
            ModelFileError: the model answers with NaN or infinite values.
        """
        found = find_ink(pixels, LONGEST)
        scale *= max(pixels.shape[:2]) / max(found.whole)
        lines = [self._line(line, found.ink) for line in find_marks(found.ink)]
        kept = _without_odd_ones(lines)
        left_out = _large(lines, kept) - _large(kept, kept)
        doubts = {
            "blank: no digit stands out from the paper": not kept,
            "inverted: it was read as light ink on dark ground": bool(kept) and found.light,
            f"left out: {left_out} marks that are like no digit": left_out > 0,
        }
        digits = tuple(tuple(self._digit(seen, found.place, scale) for seen in line) for line in kept)
        return Reading(digits, active_warnings(doubts), found.grey, found.place, scale)

    def _line(self, marks: Sequence[Mark], ink: NDArray[np.float32]) -> list[_Seen]:
        """What a line of marks says, with marks parted or joined where that makes better digits of them."""
        parts = [part for seen in self._see(marks, ink) for part in self._best_parts(seen, ink)]
        line: list[_Seen] = []
        for part in parts:
            pair = self._as_one(line[-1], part, ink) if line else None
            if pair:
                line[-1] = pair
            else:
                line.append(part)
        return line

    def _best_parts(self, seen: _Seen, ink: NDArray[np.float32]) -> list[_Seen]:
        """The mark itself, or the parts of it that are digits: if it is very wide, or unlike any digit by itself.

        If neither, and yet parts of it may be digits, that is noted.
        """
        shape = seen.mark.width / seen.mark.height
        if seen.sureness >= 0 and shape < NARROW:
            return [seen]
        evenly = [split_evenly(seen.mark, count) for count in range(2, max(2, min(MOST_PARTS, round(2 * shape))) + 1)]
        ways = [*evenly, *(split_at(seen.mark, [place], REACH) for place in ASIDE)]
        found = [self._see(marks, ink, "touching: parted from what it touched") if len(marks) > 1 else [] for marks in ways]
        if seen.sureness < 0 or shape >= WIDE:
            aside = [parts for parts in found[len(evenly) :] if _may_be(parts, seen, UPRIGHT_ASIDE, 0.0)]
            best = max([*found[: len(evenly)], *aside], key=_worst)
            return best if _worst(best) > max(0.0, seen.sureness) else [seen]
        bounds = [(UPRIGHT, 0.0)] * len(evenly) + [(UPRIGHT_ASIDE, ASIDE_LESS)] * len(ASIDE)
        likely = [parts for parts, bound in zip(found, bounds, strict=True) if _may_be(parts, seen, *bound)]
        return [dataclasses.replace(seen, note=f"touching: may be {_labels(max(likely, key=_worst))}")] if likely else [seen]

    def _as_one(self, left: _Seen, right: _Seen, ink: NDArray[np.float32]) -> _Seen | None:
        """Two neighbours as one digit, if they are a better one together than by themselves."""
        height = max(left.mark.height, right.mark.height)
        near = right.mark.box[1] - left.mark.box[3] <= TOUCHING * height
        one = merge([left.mark, right.mark])
        if not near or left.note or right.note or one.width > WIDE * one.height:
            return None
        seen, least = self._see([one], ink)[0], min(left.sureness, right.sureness)
        # Two digits side by side are about as high as each other, the open 4's two strokes are not.
        strokes = least < 0 or min(left.mark.height, right.mark.height) < ALIKE * one.height
        return seen if strokes and seen.sureness > max(0.0, least) else None

    def _see(self, marks: Sequence[Mark], ink: NDArray[np.float32], note: str = "") -> list[_Seen]:
        if not marks:
            return []
        images = np.stack([mark.image(ink) for mark in marks])
        results = list(self._classifier.classify_batch(images))
        return [
            _Seen(mark, image, result, self._sureness(image, result), note)
            for mark, image, result in zip(marks, images, results, strict=True)
        ]

    def _sureness(self, image: Image, result: Classification) -> float:
        check_finite(result.confidence)
        if self._detector is None:
            return result.confidence - UNSURE
        return self._detector.score(image, result.index, result.logits) - self._detector.calibration.least

    def _digit(self, seen: _Seen, place: tuple[int, int], scale: float) -> Digit:
        top, left, bottom, right = seen.mark.box
        box = tuple(round(scale * side) for side in (place[1] + left, place[0] + top, place[1] + right, place[0] + bottom))
        doubts = {
            seen.note: bool(seen.note),
            "touches the edge: the digit may be cut off": seen.mark.cut,
            "unlike any digit: several may touch, or it is none": seen.sureness < 0,
            f"unsure: the model gives it {seen.result.confidence:.0%}": seen.sureness >= 0 and seen.result.confidence < UNSURE,
        }
        return Digit(
            seen.result.label, seen.result.confidence, (box[0], box[1], box[2], box[3]), active_warnings(doubts), seen.image
        )


def _without_odd_ones(lines: Sequence[Sequence[_Seen]]) -> list[list[_Seen]]:
    """Lines without what is like no digit and much smaller or larger than the digits, or alone with its kind in a line."""
    heights = [seen.mark.height for line in lines for seen in line if seen.sureness >= 0]
    if not heights:
        return [list(line) for line in lines]
    low, high = (share * float(np.median(heights)) for share in ODD)
    sure = [line for line in lines if any(seen.sureness >= 0 for seen in line)]
    return [[seen for seen in line if seen.sureness >= 0 or low <= seen.mark.height <= high] for line in sure]


def _large(lines: Sequence[Sequence[_Seen]], kept: Sequence[Sequence[_Seen]]) -> int:
    """How many marks have at least half of the usual height of those that are kept: smaller ones are specks."""
    usual = float(np.median([seen.mark.height for line in kept for seen in line])) if kept else 0.0
    return sum(seen.mark.height >= ODD[0] * usual for line in lines for seen in line)


def _with_size(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, width and height of a box."""
    left, top, right, bottom = box
    return left, top, right - left, bottom - top


def _text(line: Sequence[Digit]) -> str:
    text = line[0].label
    for left, right in pairwise(line):
        gap, height = right.box[0] - left.box[2], max(digit.box[3] - digit.box[1] for digit in (left, right))
        text += (" " if gap > SPACE * height else "") + right.label
    return text
