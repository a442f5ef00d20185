"""How a released model's files did, as `evaluation.json` beside their run: written once, after everything had been chosen.

Layout: train/releases/<name>.toml is the config, train/releases/<name>-seed<S>/ the run of each seed with its evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.intervals import Accuracy, accuracy_of
from edge_runtime.common.json_codec import read_json
from edge_runtime.errors import DataError

EVALUATION = "evaluation.json"
SCHEMA_VERSION = 1
SEEDS = (0, 1, 2)
SHIPPED_SEED = 0  # named before any seed was trained: never the best one


@dataclass(frozen=True)
class Mistake:
    """A wrong answer to image `index` of a split."""

    index: int
    label: int
    answer: int


@dataclass(frozen=True)
class SplitEvaluation:
    """Answers to all images of a split.

    confusion: [classes][classes], how often a label (row) got an answer (column).
    mistakes: every wrong answer, by index.
    """

    split: str
    accuracy: Accuracy
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...]

    def __post_init__(self) -> None:
        classes, images = len(self.confusion), sum(map(sum, self.confusion))
        right = sum(row[label] for label, row in enumerate(self.confusion) if label < len(row))
        if any(len(row) != classes for row in self.confusion) or (right, images) != (self.accuracy.correct, self.accuracy.total):
            raise ValueError(f"a confusion matrix of {right} right answers to {images} images beside {self.accuracy}")
        if not self._lists_its_mistakes():
            raise ValueError("the mistakes are not those of the confusion matrix, in the order of their images")

    def _lists_its_mistakes(self) -> bool:
        counted = [list(row) for row in self.confusion]
        for label, row in enumerate(counted):
            row[label] = 0
        for mistake in self.mistakes:
            if not (0 <= mistake.label < len(counted) and 0 <= mistake.answer < len(counted)):
                return False
            counted[mistake.label][mistake.answer] -= 1
        indices = [mistake.index for mistake in self.mistakes]
        return not any(map(any, counted)) and indices == sorted({*indices})


@dataclass(frozen=True)
class FileEvaluation:
    """One converted file. `sha256` is of the whole file, `flatbuffer_sha256` of the part that interpreters read; sizes are bytes."""

    recipe: str
    sha256: str
    flatbuffer_sha256: str
    file_bytes: int
    payload_bytes: int
    scale_bytes: int
    gate_passed: bool
    validation: SplitEvaluation
    test: SplitEvaluation

    def of(self, split: str) -> SplitEvaluation:
        """The evaluation on "validation" or "test"."""
        return {"validation": self.validation, "test": self.test}[split]


@dataclass(frozen=True)
class ReleaseEvaluation:
    """All files of one seed of a released model, judged by plain `runtime`."""

    schema_version: int
    name: str
    seed: int
    keras_sha256: str
    data_sha256: str
    runtime: str
    files: tuple[FileEvaluation, ...]

    def file(self, recipe: str) -> FileEvaluation:
        """The file of a recipe, by its full name.

        Raises:
            DataError: there is none.
        """
        for found in self.files:
            if found.recipe == recipe:
                return found
        raise DataError(f"{self.name} seed {self.seed} was not evaluated as {recipe}")


def evaluate_answers(split: str, answers: NDArray[np.integer], labels: NDArray[np.integer], classes: int) -> SplitEvaluation:
    """Judge answers, integers [N] from 0 to classes - 1, by the labels, [N].

    Raises:
        ValueError: there are none, or not as many of one as of the other.
    """
    accuracy = accuracy_of(answers, labels)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, answers), 1)
    wrong = np.flatnonzero(answers != labels)
    return SplitEvaluation(
        split,
        accuracy,
        tuple(tuple(row) for row in confusion.tolist()),
        tuple(Mistake(int(index), int(labels[index]), int(answers[index])) for index in wrong),
    )


def seed_folder(releases: Path, name: str, seed: int) -> Path:
    """Where a seed's run lies, and its evaluation."""
    return releases / f"{name}-seed{seed}"


def read_evaluation(path: Path) -> ReleaseEvaluation:
    """Read an evaluation.json.

    Raises:
        DataError: it cannot be read, or a field is wrong; the message names it.
    """
    return read_json(ReleaseEvaluation, path, ("schema_version", SCHEMA_VERSION))


def class_percents(evaluation: SplitEvaluation) -> Sequence[float]:
    """Right answers to each class in percent of its images; NaN for a class without images."""
    return [100 * row[label] / sum(row) if sum(row) else float("nan") for label, row in enumerate(evaluation.confusion)]
