"""Pictures to answers: what `digits classify` says of each, in text, JSON and CSV; what `--explain` draws."""

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_runtime.bulk.rows import csv_cells
from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.inference.classifier import Classification, Classifier, check_finite
from edge_runtime.inference.out_of_distribution import OutOfDistribution, out_of_distribution_warnings
from edge_runtime.preprocessing.image_files import Picture

if TYPE_CHECKING:
    from edge_runtime.explanation import Panel

INK = 3
"""Which of the steps of a photo is the digit's ink."""


@frozen_dataclass
class Prediction:
    """A picture, where it is from, what the model says of it, and what is doubtful about that."""

    source: str
    picture: Picture
    result: Classification
    labels: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_text(self) -> str:
        """One line: the source, the label, how sure the model is, and warnings in brackets."""
        notes = f"  ({'; '.join(self.warnings)})" if self.warnings else ""
        return f"{self.source}: {self.result.label}  {100 * self.result.confidence:.1f} %{notes}"

    def as_json(self) -> str:
        """One line with one JSON object."""
        content = {
            "source": self.source,
            "label": self.result.label,
            "index": self.result.index,
            "confidence": self.result.confidence,
            "scores": self.result.scores.tolist(),
            "warnings": self.warnings,
        }
        return json.dumps(content)

    def as_csv(self) -> str:
        """One line of CSV, under `rows.CSV_HEADER`."""
        return csv_line(
            csv_cells(self.source, self.result.label, self.result.index, self.result.confidence, "; ".join(self.warnings))
        )

    def explain(self) -> NDArray[np.uint8]:
        """The row of an explanation page, uint8 [H, W, 3]: every step of the picture, and the scores."""
        from edge_runtime.explanation import draw_prediction

        return draw_prediction(self.source, self._panels(), self.result.scores, self.labels, self.warnings)

    def _panels(self) -> "list[Panel]":
        from edge_runtime.explanation import Panel

        photo = self.picture.photo
        if photo is None:
            inverted = any(text.startswith("inverted") for text in self.picture.warnings)
            return [Panel(f"28x28, {'inverted' if inverted else 'as it is'}", self.picture.image)]
        panels = [Panel(title, levels) for title, levels in photo.steps]
        if photo.strokes:
            scale = panels[INK].levels.shape[0] / photo.ink.shape[0]
            top, left, bottom, right = (scale * side for side in photo.strokes.box)
            panels[INK] = panels[INK]._replace(box=(top, left, bottom, right))
        return panels


class Predictor:
    """Answers pictures with one model; its judge of what is unlike any digit is loaded with it, where there is one.

    Attributes:
        at_once: how many pictures it pays to answer together.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.at_once = classifier.batch * classifier.threads
        self._likeness = OutOfDistribution.of(classifier.model)

    def predict(self, source: str, picture: Picture) -> Prediction:
        """Classify a picture.

        Raises:
            ModelFileError: the model answers with NaN or infinite values.
        """
        return self._prediction(source, picture, self._classifier.classify(picture.image))

    def predict_batch(self, named: Sequence[tuple[str, Picture]]) -> list[Prediction]:
        """Classify pictures, each with its source, together; the same as `predict` of each.

        Raises:
            ModelFileError: the model answers with NaN or infinite values.
        """
        if len(named) < 2:
            return [self.predict(*each) for each in named]
        results = self._classifier.classify_batch(np.stack([picture.image for _, picture in named]))
        return [self._prediction(*each, result) for each, result in zip(named, results, strict=True)]

    def _prediction(self, source: str, picture: Picture, result: Classification) -> Prediction:
        check_finite(result.confidence)
        warnings = picture.warnings + out_of_distribution_warnings(self._likeness, picture.image, result)
        return Prediction(source, picture, result, self._classifier.labels, warnings)


def csv_line(cells: tuple[str, ...]) -> str:
    """Cells as a line of CSV (RFC 4180), without its end."""
    import csv

    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # by its end it knows which breaks to put into quotes
    return line.getvalue().removesuffix("\r\n")
