"""Receipts of `digits verify`: what a model did on a device. Written, read back with suspicion, and compared over several boards."""

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.json_codec import read_json, to_json
from edge_runtime.errors import DataError
from edge_runtime.model.manifest import Tolerance

SCHEMA_VERSION = 1
_MOST_BYTES = 64 * 2**20
_HASH = re.compile("[0-9a-f]{64}")


@frozen_dataclass
class AllImages:
    """What a model made of a whole set of labelled images.

    data: SHA-256 of images and labels. mistakes: the position of each image that was answered wrongly, and the class that was answered.
    """

    data: str
    accuracy: Accuracy
    mistakes: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        positions = [position for position, _ in self.mistakes]
        if len(positions) != self.accuracy.total - self.accuracy.correct or positions != sorted(set(positions)):
            raise ValueError(f"{self.accuracy.correct} of {self.accuracy.total} with {len(positions)} mistakes")
        if positions and not (positions[0] >= 0 and positions[-1] < self.accuracy.total):
            raise ValueError(f"a mistake at image {positions[-1]} of {self.accuracy.total}")


@frozen_dataclass
class Receipt:
    """What `digits verify` found.

    sha256: of the model's FlatBuffer. golden_sha256: of golden.npz. board: what it calls itself, may be empty. labels: the class that was
    answered to each golden image. outputs: of each, as the model gives them; None for what is no number. labels_equal: how many of them
    were as recorded, alone and in a batch. largest_difference: from the recorded outputs, in the unit of the tolerance (output steps, or
    logits); None if there is no number. digest: SHA-256 of the rest.

    Raises:
        ValueError: its parts contradict each other, or the digest.
    """

    schema_version: int
    passed: bool
    model: str
    sha256: str
    golden_sha256: str
    runtime: str
    machine: str
    board: str
    processor: str
    python: str
    numpy: str
    images: int
    labels_equal: int
    largest_difference: float | None
    tolerance: Tolerance
    labels: tuple[int, ...]
    outputs: tuple[tuple[float | None, ...], ...]
    all_images: AllImages | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        if not (self.images == len(self.labels) == len(self.outputs) > 0 and 0 <= self.labels_equal <= self.images):
            raise ValueError(f"{self.images} images, {len(self.labels)} labels, {len(self.outputs)} outputs")
        if len({len(row) for row in self.outputs}) != 1 or not all(map(_answers, self.labels, self.outputs)):
            raise ValueError("labels are not those of the outputs")
        within = self.largest_difference is not None and self.largest_difference <= self.tolerance.amount
        if self.passed != (within and self.labels_equal == self.images):
            raise ValueError(f"passed is {self.passed}, against its own numbers")
        if not (_HASH.fullmatch(self.sha256) and _HASH.fullmatch(self.golden_sha256)):
            raise ValueError("a hash is no SHA-256")
        if self.digest and self.digest != _digest(self):
            raise ValueError("its digest is that of another text; it was edited or damaged")

    @property
    def summary(self) -> str:
        """One line for people, without the verdict."""
        difference = "no number of" if self.largest_difference is None else f"{self.largest_difference:g}"
        return (
            f"{self.model} on {self.runtime}, {self.machine}: {self.labels_equal} of {self.images} labels equal, "
            f"largest difference {difference} {self.tolerance.unit} (allowed: {self.tolerance.amount:g})"
        )


@frozen_dataclass
class Comparison:
    """Receipts of one model and its golden images.

    names: of the receipts. from_first: how far the outputs of each lie from those of the first, at most; None if there is no number.
    apart: of any two. unit: steps or logits. contradictions: what the boards do not agree on, and which failed; a line each.
    """

    model: str
    sha256: str
    names: tuple[str, ...]
    receipts: tuple[Receipt, ...]
    from_first: tuple[float | None, ...]
    apart: float | None
    unit: str
    contradictions: tuple[str, ...]


def sealed(receipt: Receipt) -> Receipt:
    """The receipt with its digest."""
    return dataclasses.replace(receipt, digest=_digest(receipt))


def read_receipt(path: Path) -> Receipt:
    """Read a receipt file.

    Raises:
        DataError: it cannot be read, is no receipt of this version, or was edited; the message names the file and the cause.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path}: is larger than {_MOST_BYTES:,} bytes, which no receipt is")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    receipt = read_json(Receipt, path, ("schema_version", SCHEMA_VERSION))
    if not receipt.digest:
        raise DataError(f"{path}: field 'digest' is empty; digits verify --receipt writes one")
    return receipt


def compare(named: Sequence[tuple[str, Receipt]]) -> list[Comparison]:
    """Receipts by model, in the order given.

    Args:
        named: a name for each receipt, such as its file.

    Raises:
        DataError: no two of them are of the same model and golden images, or two that are have other numbers of images or classes.
    """
    groups: dict[tuple[str, str], list[tuple[str, Receipt]]] = {}
    for name, receipt in named:
        groups.setdefault((receipt.sha256, receipt.golden_sha256), []).append((name, receipt))
    if all(len(group) == 1 for group in groups.values()):
        raise DataError(f"nothing to compare: {len(named)} receipts of {len(groups)} different models or sets of golden images")
    return [_compare_group(group) for group in groups.values()]


def _compare_group(group: Sequence[tuple[str, Receipt]]) -> Comparison:
    names, receipts = zip(*group, strict=True)
    outputs = [np.array(receipt.outputs, np.float64) for receipt in receipts]  # None becomes NaN
    for name, found in zip(names, outputs, strict=True):
        if found.shape != outputs[0].shape:
            raise DataError(f"{name}: has outputs of shape {list(found.shape)}, {names[0]} of {list(outputs[0].shape)}")
    apart = [_difference(one, other) for one, other in itertools.combinations(outputs, 2)]
    return Comparison(
        receipts[0].model,
        receipts[0].sha256,
        names,
        receipts,
        tuple(_difference(outputs[0], found) for found in outputs),
        None if None in apart else max(filter(None, apart), default=0.0),
        receipts[0].tolerance.unit,
        (*_failed(group), *_golden_labels(group), *_all_images(group)),
    )


def _difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    largest = float(np.abs(one - other).max())  # NaN if there is one anywhere
    return largest if np.isfinite(largest) else None


def _failed(group: Iterable[tuple[str, Receipt]]) -> list[str]:
    return [f"{name} failed: {receipt.summary}" for name, receipt in group if not receipt.passed]


def _golden_labels(group: Sequence[tuple[str, Receipt]]) -> list[str]:
    answers = [dict(enumerate(receipt.labels)) for _, receipt in group]
    return _disagreements("golden image", [name for name, _ in group], answers)


def _all_images(group: Sequence[tuple[str, Receipt]]) -> list[str]:
    """By set of images: an image that only some answered wrongly, or otherwise wrongly."""
    found = []
    for data in dict.fromkeys(receipt.all_images.data for _, receipt in group if receipt.all_images):
        same = [(name, receipt.all_images) for name, receipt in group if receipt.all_images and receipt.all_images.data == data]
        found += _disagreements("image", [name for name, _ in same], [dict(whole.mistakes) for _, whole in same])
    return found


def _disagreements(what: str, names: Sequence[str], answers: Sequence[dict[int, int]]) -> list[str]:
    """A line for each position that has not the same answer everywhere; a position without an answer was right."""
    found = []
    for position in sorted({position for given in answers for position in given}):
        given = [answer.get(position) for answer in answers]
        if len(set(given)) > 1:
            said = ", ".join(
                f"{'right' if answer is None else answer} on {name}" for name, answer in zip(names, given, strict=True)
            )
            found.append(f"{what} {position}: {said}")
    return found


def _answers(label: int, outputs: Sequence[float | None]) -> bool:
    """Whether a label is the first of the largest outputs; of outputs that are no numbers it may be any."""
    numbers = [number for number in outputs if number is not None]
    return 0 <= label < len(outputs) and (len(numbers) < len(outputs) or outputs.index(max(numbers)) == label)


def _digest(receipt: Receipt) -> str:
    return hashlib.sha256(to_json(dataclasses.replace(receipt, digest="")).encode()).hexdigest()
