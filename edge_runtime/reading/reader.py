"""Read the digits of a page with a model that classifies single digits, and the line model beside it.

Marks are classified one by one, split and joined where that makes the model surer. The line model reads each line whole. Where they agree,
there is no doubt; where they differ, the line model is right more often, since it needs no cuts.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import cached_property
from itertools import pairwise, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import Image
from edge_runtime.inference import decision
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.results import Classification, check_finite
from edge_runtime.preprocessing.normalization import normalize
from edge_runtime.preprocessing.pipeline import Ink, find_ink
from edge_runtime.preprocessing.warnings import active_warnings
from edge_runtime.reading.line_crop import BESIDE, LineCrop, crop_line
from edge_runtime.reading.line_image import GROUND, HEIGHT, line_image
from edge_runtime.reading.line_model import LineDigit, LineModel, text_of
from edge_runtime.reading.page_layout import Box, Mark, find_marks, group_lines, merge, split_at, split_evenly

LONGEST = 2048
"""Longer side that pages are reduced to: digits of a hundredth of it are still 20 pixels high."""
WIDE = 1.3
"""Marks with a larger ratio of width to height may be several touching digits."""
NARROW = 0.5
"""Marks with a smaller ratio of width to height are one digit."""
MAX_PARTS = 4
OFF_CENTRE, REACH = (0.3, 0.7), 0.12
"""Further cuts, for a narrow digit beside a wide one, and the distance by which they may shift, as fractions of the width."""
MIN_HEIGHT, MIN_HEIGHT_OFF_CENTRE = 0.75, 0.85
"""Minimum height of the parts of even and off-centre cuts, as a fraction of the mark's. Halves of a slanted 1 have less."""
OFF_CENTRE_MARGIN = 1.0
"""How much less sure than the mark the parts of an off-centre cut may be, since more of them are digits."""
MUCH_SURER = 2.0
"""How much surer than the mark its parts are if they may be as low as those of even cuts."""
TOUCHING = 0.15
"""Maximum gap between two strokes of one digit, as a fraction of the height."""
ALIKE = 0.75
"""Neighbours may be strokes of one digit, though each is like a digit, if one's height is below this fraction of the joint height."""
ODD = (0.5, 2.0)
"""Range of heights, in typical heights, in which marks unlike any digit are kept with a warning."""
SPACE = 1.5
"""Minimum width of a space, in heights."""
UNSURE = 0.5
"""Marks with a lower confidence are no digits for a model without an out-of-distribution detector."""
LINE_UNSURE = 0.5
"""Least probability of each digit of a line that the line model is believed about where the marks leave doubt."""
WHOLE_LINE = 0.8
"""Least mean probability of the digits of a picture that one line fills: it is higher for 98 % of those read right, and lower for noise."""
LINE_SURE = 0.9
"""Least probability of a digit of such a line without a warning, and of a mark for which the line model is not asked."""
ONE_LINE = (10, 160, 1.2)
"""Minimum and maximum height, in pixels, and minimum ratio of width to height of a picture that is taken for one line which fills it."""


@frozen_dataclass
class Digit:
    """One digit of a reading.

    box: left, top, right, bottom in pixels of the picture, the latter two exclusive. image: the model's input, uint8 [28, 28].
    """

    label: str
    confidence: float
    box: tuple[int, int, int, int]
    warnings: tuple[str, ...]
    image: Image = field(repr=False)


@frozen_dataclass
class Reading:
    """The digits of a page.

    lines: from top to bottom, their digits from left to right. grey: float32 [H, W], the page, cropped and reduced. place: row and column
    of its upper left pixel in the reduced picture. scale: pixels of the picture per pixel of the reduced one.
    """

    lines: tuple[tuple[Digit, ...], ...]
    warnings: tuple[str, ...]
    grey: NDArray[np.float32] = field(repr=False)
    place: tuple[int, int]
    scale: float

    @property
    def text(self) -> str:
        """The digits as text, a line per line; gaps wider than 1.5 heights become spaces."""
        return "\n".join(_text(line) for line in self.lines)

    @property
    def digits(self) -> Iterator[Digit]:
        """All digits, in reading order."""
        return (digit for line in self.lines for digit in line)

    @property
    def all_warnings(self) -> tuple[str, ...]:
        """Warnings about the picture and about digits; the latter begin with the label and the upper left corner."""
        of_digits = (f"{d.label} at {d.box[0]}, {d.box[1]}: {text}" for d in self.digits for text in d.warnings)
        return (*self.warnings, *of_digits)

    def fields(self, source: str) -> dict[str, object]:
        """For JSON: source, text, digits with label, confidence and box (x, y, width, height), and warnings."""
        digits = [{"label": d.label, "confidence": d.confidence, "box": _with_size(d.box)} for d in self.digits]
        return {"source": source, "text": self.text, "digits": digits, "warnings": self.all_warnings}

    def as_json(self, source: str) -> str:
        """One line with one JSON object: that of `fields`."""
        return json.dumps(self.fields(source))

    def explain(self, source: str) -> NDArray[np.uint8]:
        """The row of an explanation page, uint8 [H, W, 3]: the picture with a box around each digit, and the text."""
        from edge_runtime.explanation import Box, draw_reading

        top, left = self.place

        def on_grey(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
            x0, y0, x1, y1 = (side / self.scale for side in box)
            return x0 - left, y0 - top, x1 - left, y1 - top

        boxes = [Box(on_grey(digit.box), digit.label, bool(digit.warnings)) for digit in self.digits]
        return draw_reading(source, self.grey, boxes, self.text.splitlines(), self.all_warnings)


@frozen_dataclass
class _Candidate:
    """A classified mark.

    sureness: above 0 if it is like a digit; higher is more alike. confidence: the probability that its label is right.
    """

    mark: Mark
    image: Image
    result: Classification
    sureness: float
    confidence: float
    note: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Whether the line model is worth asking."""
        return bool(self.note) or self.sureness < 0 or self.confidence < LINE_SURE


def _worst(parts: Sequence[_Candidate]) -> float:
    """The lowest sureness of the parts; -inf without parts."""
    return min((part.sureness for part in parts), default=-np.inf)


def _plausible(parts: Sequence[_Candidate], whole: _Candidate, min_height: float, margin: float) -> bool:
    """Whether parts may be the digits of a mark: at least `min_height` of its height, and at most `margin` less sure."""
    high = all(part.mark.height >= min_height * whole.mark.height for part in parts)
    return high and _worst(parts) > max(0.0, whole.sureness - margin)


def _labels(parts: Sequence[_Candidate]) -> str:
    return "".join(part.result.label for part in parts)


class Reader:
    """Reads pages with one model, and beside it with the line model if its labels are the digits.

    Marks that are no digits are found by the model's out-of-distribution detector, else by low confidence.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._detector = classifier.out_of_distribution

    @cached_property
    def _line_model(self) -> LineModel | None:
        if self._classifier.labels != decision.DIGITS:
            return None
        return LineModel.load(backend=self._classifier.backend.name, threads=self._classifier.threads)

    def read(self, pixels: Any, scale: float = 1) -> Reading:
        """Read all digits of a picture.

        Args:
            pixels: as `to_grayscale` takes them; a longer side above 2048 is reduced.
            scale: pixels of the original picture per given pixel, for the boxes.

        Raises:
            ImageError: it is no such array.
            ModelFileError: the model answers with NaN or infinite values.
        """
        found = find_ink(pixels, LONGEST)
        scale *= max(pixels.shape[:2]) / max(found.whole)
        lines = [self._line(line, found.ink) for line in find_marks(found.ink)]
        kept = _grouped_again(_without_odd_marks(lines))
        whole = self._read_whole(found, kept, scale) if self._line_model else ()
        left_out = 0 if whole else _count_large(lines, kept) - _count_large(kept, kept)
        digits = (whole,) if whole else tuple(self._digits(line, kept, found, scale) for line in kept)
        warnings = {
            "blank: no digit stands out from the paper": not digits,
            "inverted: read as light ink on a dark background": bool(digits) and found.light,
            f"left out: {left_out} marks that are unlike any digit": left_out > 0,
        }
        return Reading(digits, active_warnings(warnings), found.grey, found.place, scale)

    def _read_whole(self, found: Ink, kept: Sequence[Sequence[_Candidate]], scale: float) -> tuple[Digit, ...]:
        """The digits of a picture that one line fills, by the line model; none for any other picture, or if it finds none for sure."""
        height, width = found.grey.shape
        assert self._line_model
        shortest, tallest, ratio = ONE_LINE
        if not shortest <= height <= tallest or width < ratio * height or _are_stacked(kept):
            return ()
        ink = found.grey if found.light else 255 - found.grey
        margin = round(BESIDE * height)
        padded = np.pad(ink, ((0, 0), (margin, margin)), constant_values=float(np.percentile(ink, GROUND)))
        crop = LineCrop(line_image(padded), height / HEIGHT, 0.0, -margin)
        digits = self._line_model.read(crop.image)
        if not digits or float(np.mean([digit.probability for digit in digits])) < WHOLE_LINE:
            return ()
        return self._of_line_model(digits, crop, found, scale)

    def _digits(self, line: list[_Candidate], lines: Sequence[list[_Candidate]], found: Ink, scale: float) -> tuple[Digit, ...]:
        """The digits of a line: of its marks, or by the line model where the marks leave doubt and it has none."""
        if self._line_model and any(candidate.is_doubtful for candidate in line):
            others = [candidate.mark for other in lines if other is not line for candidate in other]
            crop = crop_line([candidate.mark for candidate in line], others, found.ink)
            digits = self._line_model.read(crop.image)
            if digits and min(digit.probability for digit in digits) >= LINE_UNSURE:
                if text_of(digits) != _labels(line):
                    return _with_doubt(self._of_line_model(digits, crop, found, scale), _labels(line))
                if min(digit.probability for digit in digits) >= LINE_SURE:
                    line = [_confirmed(candidate, digit.probability) for candidate, digit in zip(line, digits, strict=True)]
        return tuple(self._digit(candidate, found.place, scale) for candidate in line)

    def _of_line_model(self, digits: Sequence[LineDigit], crop: LineCrop, found: Ink, scale: float) -> tuple[Digit, ...]:
        """The digits that the line model read, with boxes in the picture."""
        made = []
        for digit, box in zip(digits, crop.boxes(digits), strict=True):
            inside = _inside(box, found.grey.shape)
            mask = np.ones((inside[2] - inside[0], inside[3] - inside[1]), bool)
            warnings = {f"unsure: its confidence is {digit.probability:.0%}": digit.probability < LINE_SURE}
            made.append(
                Digit(
                    digit.label,
                    digit.probability,
                    _on_picture(inside, found.place, scale),
                    active_warnings(warnings),
                    normalize(found.ink, inside, mask)[0],
                )
            )
        return tuple(made)

    def _line(self, marks: Sequence[Mark], ink: NDArray[np.float32]) -> list[_Candidate]:
        """Classify a line of marks; split or join marks where the model is surer of the result."""
        parts = [part for candidate in self._classify(marks, ink) for part in self._best_parts(candidate, ink)]
        line: list[_Candidate] = []
        for part in parts:
            pair = self._join(line[-1], part, ink) if line else None
            if pair:
                line[-1] = pair
            else:
                line.append(part)
        return line

    def _best_parts(self, whole: _Candidate, ink: NDArray[np.float32]) -> list[_Candidate]:
        """Split a mark that is very wide or unlike any digit into digits, if the model is surer of them.

        Any other mark stays whole, with a note if its parts may be digits.
        """
        shape = whole.mark.width / whole.mark.height
        if whole.sureness >= 0 and shape < NARROW:
            return [whole]
        evenly = [split_evenly(whole.mark, count) for count in range(2, max(2, min(MAX_PARTS, round(2 * shape))) + 1)]
        splits = [*evenly, *(split_at(whole.mark, [place], REACH) for place in OFF_CENTRE)]
        classified = [
            self._classify(marks, ink, "touching: split from its neighbour") if len(marks) > 1 else [] for marks in splits
        ]
        if whole.sureness < 0 or shape >= WIDE:
            off_centre = [parts for parts in classified[len(evenly) :] if _plausible(parts, whole, MIN_HEIGHT_OFF_CENTRE, 0.0)]
            best = max([*classified[: len(evenly)], *off_centre], key=_worst)
            if _worst(best) > max(0.0, whole.sureness):
                return best
            return [dataclasses.replace(whole, note="touching: several may touch") if shape >= WIDE else whole]
        bounds = [(MIN_HEIGHT, 0.0)] * len(evenly) + [(MIN_HEIGHT_OFF_CENTRE, OFF_CENTRE_MARGIN)] * len(OFF_CENTRE)
        likely = [
            parts
            for parts, bound in zip(classified, bounds, strict=True)
            if _plausible(parts, whole, *bound) or _plausible(parts, whole, MIN_HEIGHT, -MUCH_SURER)
        ]
        return [dataclasses.replace(whole, note=f"touching: may be {_labels(max(likely, key=_worst))}")] if likely else [whole]

    def _join(self, left: _Candidate, right: _Candidate, ink: NDArray[np.float32]) -> _Candidate | None:
        """Two neighbours as one digit, if the model is surer of it than of each of them."""
        height = max(left.mark.height, right.mark.height)
        near = right.mark.box[1] - left.mark.box[3] <= TOUCHING * height
        joint = merge([left.mark, right.mark])
        if not near or left.note or right.note or joint.width > WIDE * joint.height:
            return None
        candidate, lowest = self._classify([joint], ink)[0], min(left.sureness, right.sureness)
        # Two digits side by side have similar heights; the two strokes of an open 4 do not.
        strokes = lowest < 0 or min(left.mark.height, right.mark.height) < ALIKE * joint.height
        return candidate if strokes and candidate.sureness > max(0.0, lowest) else None

    def _classify(self, marks: Sequence[Mark], ink: NDArray[np.float32], note: str = "") -> list[_Candidate]:
        if not marks:
            return []
        images = np.stack([mark.image(ink) for mark in marks])
        results = list(self._classifier.classify_batch(images))
        return [self._candidate(mark, image, result, note) for mark, image, result in zip(marks, images, results, strict=True)]

    def _candidate(self, mark: Mark, image: Image, result: Classification, note: str) -> _Candidate:
        check_finite(result.confidence)
        if self._detector is None:
            return _Candidate(mark, image, result, result.confidence - UNSURE, result.confidence, note)
        score = self._detector.score(image, result.index, result.logits)
        confidence = float(self._detector.calibrated(result.scores, score).max())
        return _Candidate(mark, image, result, score - self._detector.calibration.threshold, confidence, note)

    def _digit(self, candidate: _Candidate, place: tuple[int, int], scale: float) -> Digit:
        result, sure = candidate.result, candidate.sureness >= 0
        box = _on_picture(candidate.mark.box, place, scale)
        warnings = {
            candidate.note: bool(candidate.note),
            "touches the edge: the digit may be cut off": candidate.mark.cut,
            "unlike any digit: several may touch, or it is none": not sure,
            f"unsure: its confidence is {candidate.confidence:.0%}": sure and candidate.confidence < decision.UNSURE,
        }
        return Digit(result.label, candidate.confidence, box, active_warnings(warnings), candidate.image)


def _confirmed(candidate: _Candidate, probability: float) -> _Candidate:
    """A mark that the line model reads the same way, with that probability: it leaves no doubt."""
    return dataclasses.replace(
        candidate, note="", sureness=max(0.0, candidate.sureness), confidence=max(candidate.confidence, probability)
    )


def _with_doubt(digits: tuple[Digit, ...], marks: str) -> tuple[Digit, ...]:
    """The digits of a line, of which the first that marks were not taken for has a warning."""
    labels = [digit.label for digit in digits]
    place = next((number for number, pair in enumerate(zip(labels, marks, strict=False)) if pair[0] != pair[1]), -1)
    doubt = f"touching: its line may be {marks}"
    changed = dataclasses.replace(digits[place], warnings=(*digits[place].warnings, doubt))
    place %= len(digits)
    return (*digits[:place], changed, *digits[place + 1 :])


def _on_picture(box: Box, place: tuple[int, int], scale: float) -> Box:
    """A box of a page, top, left, bottom, right, as left, top, right, bottom in the picture."""
    top, left, bottom, right = box
    sides = (place[1] + left, place[0] + top, place[1] + right, place[0] + bottom)
    x0, y0, x1, y1 = (round(scale * side) for side in sides)
    return x0, y0, x1, y1


def _inside(box: Box, shape: tuple[int, ...]) -> Box:
    """The part of a box within a page, at least one pixel."""
    top, left = min(max(0, box[0]), shape[0] - 1), min(max(0, box[1]), shape[1] - 1)
    return top, left, max(top + 1, min(box[2], shape[0])), max(left + 1, min(box[3], shape[1]))


def _are_stacked(lines: Sequence[Sequence[_Candidate]]) -> bool:
    """Whether some lines of at least two sure digits lie one above the other."""
    ranges = []
    for line in lines:
        sure = [candidate.mark.box for candidate in line if candidate.sureness >= 0]
        if len(sure) > 1:
            ranges.append((float(np.median([box[0] for box in sure])), float(np.median([box[2] for box in sure]))))
    return any(upper[1] <= lower[0] for upper, lower in permutations(ranges, 2))


def _without_odd_marks(lines: Sequence[Sequence[_Candidate]]) -> list[list[_Candidate]]:
    """Remove lines without a digit, and marks unlike any digit that are much smaller or larger than the digits."""
    heights = [candidate.mark.height for line in lines for candidate in line if candidate.sureness >= 0]
    if not heights:
        return [list(line) for line in lines]
    low, high = (share * float(np.median(heights)) for share in ODD)
    sure = [line for line in lines if any(candidate.sureness >= 0 for candidate in line)]
    return [[candidate for candidate in line if candidate.sureness >= 0 or low <= candidate.mark.height <= high] for line in sure]


def _grouped_again(lines: Sequence[Sequence[_Candidate]]) -> list[list[_Candidate]]:
    """Lines of what is left: a speck between two digits may have parted their line."""
    of_marks = {id(candidate.mark): candidate for line in lines for candidate in line}
    return [[of_marks[id(mark)] for mark in line] for line in group_lines([candidate.mark for candidate in of_marks.values()])]


def _count_large(lines: Sequence[Sequence[_Candidate]], kept: Sequence[Sequence[_Candidate]]) -> int:
    """The number of marks with at least half the typical height of the kept ones: smaller ones are specks."""
    typical = float(np.median([candidate.mark.height for line in kept for candidate in line])) if kept else 0.0
    return sum(candidate.mark.height >= ODD[0] * typical for line in lines for candidate in line)


def _with_size(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """A box as left, top, width, height."""
    left, top, right, bottom = box
    return left, top, right - left, bottom - top


def _text(line: Sequence[Digit]) -> str:
    text = line[0].label
    for left, right in pairwise(line):
        gap, height = right.box[0] - left.box[2], max(digit.box[3] - digit.box[1] for digit in (left, right))
        text += (" " if gap > SPACE * height else "") + right.label
    return text
