"""Receipts of `digits verify`: a model's outputs on a device. Writing, validated reading, and comparison between boards."""

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
_MAX_BYTES = 64 * 2**20
_HASH = re.compile("[0-9a-f]{64}")


@frozen_dataclass
class AllImages:
    """A model's accuracy on a labelled data set.

    data: SHA-256 of images and labels. mistakes: (position, predicted class) of each misclassified image.
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
    """The result of `digits verify`.

    sha256: hash of the model's FlatBuffer. golden_sha256: hash of golden.npz. board: the board's own name; may be empty. labels: predicted
    class of each golden image. outputs: raw outputs of each; None for NaN or infinite values. labels_equal: number of labels as recorded,
    both alone and in a batch. largest_difference: from the recorded outputs, in the unit of the tolerance (output steps, or logits); None
    for NaN. digest: SHA-256 of all other fields.

    Raises:
        ValueError: fields contradict each other, or the digest.
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
        if len({len(row) for row in self.outputs}) != 1 or not all(map(_is_argmax, self.labels, self.outputs)):
            raise ValueError("labels are not those of the outputs")
        within = self.largest_difference is not None and self.largest_difference <= self.tolerance.amount
        if self.passed != (within and self.labels_equal == self.images):
            raise ValueError(f"passed is {self.passed}, which contradicts its own numbers")
        if not (_HASH.fullmatch(self.sha256) and _HASH.fullmatch(self.golden_sha256)):
            raise ValueError("a hash is not a SHA-256")
        if self.digest and self.digest != _digest(self):
            raise ValueError("the digest does not match the content; the file was edited or damaged")

    @property
    def summary(self) -> str:
        """One line of text, without the verdict."""
        difference = "NaN" if self.largest_difference is None else f"{self.largest_difference:g}"
        return (
            f"{self.model} on {self.runtime}, {self.machine}: {self.labels_equal} of {self.images} labels equal, "
            f"largest difference {difference} {self.tolerance.unit} (allowed: {self.tolerance.amount:g})"
        )


@frozen_dataclass
class Comparison:
    """Receipts of one model and its golden images.

    names: of the receipts. from_first: largest difference of each receipt's outputs from the first's; None for NaN. apart: largest
    difference between any two. unit: steps or logits. contradictions: a line for each label that differs between boards, and for each
    failed receipt.
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
    """Return the receipt with its digest."""
    return dataclasses.replace(receipt, digest=_digest(receipt))


def read_receipt(path: Path) -> Receipt:
    """Read a receipt file.

    Raises:
        DataError: it cannot be read, is not a receipt of this version, or was edited; the message names the file and the cause.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: is larger than {_MAX_BYTES:,} bytes, so it is not a receipt")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    receipt = read_json(Receipt, path, ("schema_version", SCHEMA_VERSION))
    if not receipt.digest:
        raise DataError(f"{path}: field 'digest' is empty; digits verify --receipt writes one")
    return receipt


def compare(named: Sequence[tuple[str, Receipt]]) -> list[Comparison]:
    """Compare receipts, grouped by model in the order given.

    Args:
        named: (name, receipt) pairs; a name is a receipt's file, say.

    Raises:
        DataError: no two receipts are of the same model and golden images, or two that are differ in the shape of their outputs.
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
    for name, own in zip(names, outputs, strict=True):
        if own.shape != outputs[0].shape:
            raise DataError(f"{name}: has outputs of shape {list(own.shape)}, but {names[0]} of {list(outputs[0].shape)}")
    apart = [_difference(one, other) for one, other in itertools.combinations(outputs, 2)]
    return Comparison(
        receipts[0].model,
        receipts[0].sha256,
        names,
        receipts,
        tuple(_difference(outputs[0], own) for own in outputs),
        None if None in apart else max(filter(None, apart), default=0.0),
        receipts[0].tolerance.unit,
        (*_failed(group), *_golden_labels(group), *_all_images(group)),
    )


def _difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    largest = float(np.abs(one - other).max())  # NaN propagates
    return largest if np.isfinite(largest) else None


def _failed(group: Iterable[tuple[str, Receipt]]) -> list[str]:
    return [f"{name} failed: {receipt.summary}" for name, receipt in group if not receipt.passed]


def _golden_labels(group: Sequence[tuple[str, Receipt]]) -> list[str]:
    labels = [dict(enumerate(receipt.labels)) for _, receipt in group]
    return _disagreements("golden image", [name for name, _ in group], labels)


def _all_images(group: Sequence[tuple[str, Receipt]]) -> list[str]:
    """For each data set: images that boards classify differently."""
    found = []
    for data in dict.fromkeys(receipt.all_images.data for _, receipt in group if receipt.all_images):
        same = [(name, receipt.all_images) for name, receipt in group if receipt.all_images and receipt.all_images.data == data]
        found += _disagreements("image", [name for name, _ in same], [dict(whole.mistakes) for _, whole in same])
    return found


def _disagreements(what: str, names: Sequence[str], labels: Sequence[dict[int, int]]) -> list[str]:
    """A line for each position whose label differs between boards; a position without a label was classified correctly."""
    found = []
    for position in sorted({position for by_position in labels for position in by_position}):
        given = [by_position.get(position) for by_position in labels]
        if len(set(given)) > 1:
            text = ", ".join(f"{'right' if label is None else label} on {name}" for name, label in zip(names, given, strict=True))
            found.append(f"{what} {position}: {text}")
    return found


def _is_argmax(label: int, outputs: Sequence[float | None]) -> bool:
    """Whether a label is the first of the largest outputs; any label fits outputs that are NaN or infinite."""
    numbers = [number for number in outputs if number is not None]
    return 0 <= label < len(outputs) and (len(numbers) < len(outputs) or outputs.index(max(numbers)) == label)


def _digest(receipt: Receipt) -> str:
    return hashlib.sha256(to_json(dataclasses.replace(receipt, digest="")).encode()).hexdigest()
