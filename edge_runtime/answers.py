"""Pictures to answers: what `digits classify` says of each, in text, JSON and CSV; `explanation` draws it."""

import io
import json
from collections.abc import Sequence

import numpy as np

from edge_runtime.classifier import Classification, Classifier, check_numbers
from edge_runtime.frozen import record
from edge_runtime.images import Picture
from edge_runtime.likeness import Likeness, unlike
from edge_runtime.sources.rows import csv_cells


@record
class Answer:
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


class Answerer:
    """Answers pictures with one model; its judge of what is unlike any digit is loaded with it, where there is one.

    Attributes:
        at_once: how many pictures it pays to answer together.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.at_once = classifier.batch * classifier.threads
        self._likeness = Likeness.of(classifier.model)

    def answer(self, source: str, picture: Picture) -> Answer:
        """Classify a picture.

        Raises:
            ModelFileError: the model answers with NaN or infinite values.
        """
        return self._said(source, picture, self._classifier.classify(picture.image))

    def answer_all(self, named: Sequence[tuple[str, Picture]]) -> list[Answer]:
        """Classify pictures, each with its source, together; the same as `answer` of each.

        Raises:
            ModelFileError: the model answers with NaN or infinite values.
        """
        if len(named) < 2:
            return [self.answer(*each) for each in named]
        results = self._classifier.classify_batch(np.stack([picture.image for _, picture in named]))
        return [self._said(*each, result) for each, result in zip(named, results, strict=True)]

    def _said(self, source: str, picture: Picture, result: Classification) -> Answer:
        check_numbers(result.confidence)
        warnings = picture.warnings + unlike(self._likeness, picture.image, result)
        return Answer(source, picture, result, self._classifier.labels, warnings)


def csv_line(cells: tuple[str, ...]) -> str:
    """Cells as a line of CSV (RFC 4180), without its end."""
    import csv

    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # by its end it knows which breaks to put into quotes
    return line.getvalue().removesuffix("\r\n")
