"""Results of classification: of one image, of a batch, and of a picture from a file or a camera."""

from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.quantization import dequantize, softmax
from edge_runtime.errors import ModelFileError
from edge_runtime.model.graph import Tensor

if TYPE_CHECKING:
    from edge_runtime.preprocessing.image_files import Picture


class Classification:
    """The result for one image. Scores are computed on access, since most callers need the label alone.

    Attributes:
        index: class of the largest output (the first of equals).
        outputs: [classes], in the dtype of the model's output.
    """

    __slots__ = ("_labels", "_output", "_temperature", "index", "outputs")

    def __init__(self, index: int, outputs: NDArray[Any], labels: tuple[str, ...], output: Tensor, temperature: float) -> None:
        self.index = index
        self.outputs = outputs
        self._labels = labels
        self._output = output
        self._temperature = temperature

    @property
    def label(self) -> str:
        """The label of the class with the largest output."""
        return self._labels[self.index]

    @property
    def logits(self) -> NDArray[np.float32]:
        """float32 [classes]: the outputs as real numbers."""
        return real_values(self.outputs, self._output)

    @property
    def scores(self) -> NDArray[np.float64]:
        """float64 [classes]: probabilities, which sum to 1: softmax of the logits over the model's temperature."""
        return softmax(self.logits / self._temperature)

    @property
    def confidence(self) -> float:
        """The probability of the label; NaN if the outputs are not finite."""
        return float(self.scores[self.index])

    def __repr__(self) -> str:
        return f"Classification(label={self.label!r}, confidence={self.confidence:.3f})"


@frozen_dataclass
class Classifications:
    """The results for a batch of N images. Indexing and iteration give a `Classification` each.

    indices: int64 [N], the class of the largest output (the first of equals). outputs: [N, classes] in the dtype of the model's output.
    temperature: what logits are divided by before softmax.
    """

    indices: NDArray[np.int64]
    outputs: NDArray[Any] = field(repr=False)
    labels_of_classes: tuple[str, ...] = field(repr=False)
    output: Tensor = field(repr=False)
    temperature: float = field(repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Classification:
        return Classification(
            int(self.indices[position]), self.outputs[position], self.labels_of_classes, self.output, self.temperature
        )

    def __iter__(self) -> Iterator[Classification]:
        return (self[position] for position in range(len(self)))

    @property
    def labels(self) -> list[str]:
        """The label of each image."""
        return [self.labels_of_classes[index] for index in self.indices]

    @property
    def logits(self) -> NDArray[np.float32]:
        """float32 [N, classes]: the outputs as real numbers."""
        return real_values(self.outputs, self.output)

    @property
    def scores(self) -> NDArray[np.float64]:
        """float64 [N, classes]: probabilities; each row sums to 1."""
        return softmax(self.logits / self.temperature)

    @property
    def confidences(self) -> NDArray[np.float64]:
        """float64 [N]: the probability of each image's label; NaN where outputs are not finite."""
        return np.asarray(self.scores[np.arange(len(self)), self.indices])


@frozen_dataclass
class Prediction:
    """The answer for one picture, with warnings.

    source: path or name of the picture. picture: the prepared image and how it was found; of several readings, the one that was chosen.
    readings: the name of each reading that found a digit, and its weight in the answer, 0 to 1. scores: float64 [classes], probabilities,
    which sum to 1; None if the picture has no digit. labels: of all classes. warnings: those of the picture, and "unlike any digit ..." for
    an image that is out of distribution.
    """

    source: str
    picture: "Picture" = field(repr=False)
    readings: tuple[tuple[str, float], ...] = field(repr=False)
    scores: NDArray[np.float64] | None = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def index(self) -> int | None:
        """The class with the largest score; None if the picture has no digit."""
        return None if self.scores is None else int(self.scores.argmax())

    @property
    def label(self) -> str | None:
        """The label of that class; None if the picture has no digit."""
        return None if self.index is None else self.labels[self.index]

    @property
    def confidence(self) -> float | None:
        """The probability of the label; None if the picture has no digit."""
        return None if self.scores is None else float(self.scores.max())

    def fields(self) -> dict[str, Any]:
        """The object of `digits classify --json`, which `digits serve` answers with too."""
        return {
            "source": self.source,
            "label": self.label,
            "index": self.index,
            "confidence": self.confidence,
            "scores": None if self.scores is None else self.scores.tolist(),
            "warnings": self.warnings,
        }


def check_finite(confidences: float | NDArray[np.float64]) -> None:
    """Refuse results of a model whose outputs are NaN or infinite. `confidences` are probabilities of one image or of many.

    Raises:
        ModelFileError: one of them is NaN.
    """
    if np.isnan(confidences).any():
        raise ModelFileError("the model's outputs are NaN or infinite; convert it again")


def real_values(outputs: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """Outputs of the graph as float32: integers dequantised by the tensor's scale and zero point."""
    if tensor.dtype == "float32":
        return np.asarray(outputs, np.float32)
    return dequantize(outputs, tensor.scale, tensor.zero_point)
