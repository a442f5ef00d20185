"""Digits from pixels: the classifier that a device program uses.

classifier = Classifier.load()
result = classifier.classify(image)      # uint8 [28, 28]
result.label, result.confidence
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ModelFileError
from edge_runtime.graph import Tensor
from edge_runtime.interpreter import Backend, find_backend
from edge_runtime.isolation import IsolatedRunner
from edge_runtime.model_file import ModelFile, read_model_file
from edge_runtime.pixels import Batch, Image, check_batch, check_image
from edge_runtime.quantization import dequantize, softmax
from edge_runtime.runner import Runner

BATCH = 50


@dataclass(frozen=True)
class Classifications:
    """The answers to a batch of N images.

    indices: int64 [N], the class of the largest output (the first of equals). outputs: [N, classes] in the dtype of the model's output.
    """

    indices: NDArray[np.int64]
    outputs: NDArray[Any] = field(repr=False)
    labels_of_classes: tuple[str, ...] = field(repr=False)
    output: Tensor = field(repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> "Classification":
        return Classification(int(self.indices[position]), self.outputs[position], self.labels_of_classes, self.output)

    def __iter__(self) -> "Iterator[Classification]":
        return (self[position] for position in range(len(self)))

    @property
    def labels(self) -> list[str]:
        """The label of each image."""
        return [self.labels_of_classes[index] for index in self.indices]

    @property
    def logits(self) -> NDArray[np.float32]:
        """float32 [N, classes]: the model's outputs as real numbers."""
        return real_values(self.outputs, self.output)

    @property
    def scores(self) -> NDArray[np.float64]:
        """float64 [N, classes]: probabilities, each row adding up to 1."""
        return softmax(self.logits)


class Classification:
    """The answer to one image. Scores are computed when they are asked for, since most callers want the label alone."""

    __slots__ = ("_labels", "_output", "index", "outputs")

    def __init__(self, index: int, outputs: NDArray[Any], labels: tuple[str, ...], output: Tensor) -> None:
        self.index = index
        self.outputs = outputs
        self._labels = labels
        self._output = output

    @property
    def label(self) -> str:
        """The label of the class with the largest output (the first of equals)."""
        return self._labels[self.index]

    @property
    def logits(self) -> NDArray[np.float32]:
        """float32 [classes]: the model's outputs as real numbers."""
        return real_values(self.outputs, self._output)

    @property
    def scores(self) -> NDArray[np.float64]:
        """float64 [classes]: probabilities, adding up to 1."""
        return softmax(self.logits)

    @property
    def confidence(self) -> float:
        """The probability of the label; NaN if the model's outputs are no numbers."""
        return float(self.scores[self.index])

    def __repr__(self) -> str:
        return f"Classification(label={self.label!r}, confidence={self.confidence:.3f})"


class Classifier:
    """A model loaded into an interpreter. Use each one from one thread at a time; make one a thread.

    Attributes:
        model: the checked model file.
        backend: which package runs it.
        warnings: what a user should know about the model, such as that nothing proves it.
    """

    def __init__(self, model: ModelFile, threads: int = 1, backend: str | None = None, *, trusted: bool = False) -> None:
        """Load a checked model file; `Classifier.load` does both steps. Arguments and errors are those of `load`."""
        self.model = model
        self.backend: Backend = find_backend(backend)
        self.warnings: tuple[str, ...] = ()
        self._threads = threads
        self._trusted = trusted or model.manifest is not None
        if model.manifest is None:
            self.warnings = (f"{model.name} is a plain .tflite: nothing states its labels or proves its accuracy",)
        self._single: Runner | IsolatedRunner
        if self._trusted:
            self._single = self._runner(threads, batch=1)
        else:
            self._single = IsolatedRunner(model.flatbuffer, model.graph, self.backend, threads)
        self._batch_runners: list[Runner] = []

    @classmethod
    def load(
        cls, path: str | Path | None = None, threads: int = 1, backend: str | None = None, *, trusted: bool = False
    ) -> "Classifier":
        """Load a model.

        Args:
            path: a model file, or a shipped model's name such as "nano"; None for the default one.
            threads: how many threads one image, or a batch of them, may use.
            backend: "litert", "tflite" or "tensorflow"; None for the first of them that is installed.
            trusted: run a plain .tflite, which nothing vouches for, in this very process and not in a child. It is faster, and a damaged
                file may end the process.

        Raises:
            ModelFileError: the file is damaged, or the interpreter refuses it.
            MissingPackage: no interpreter is installed; the message says the line to run.
            BadArgument: unknown backend, or threads below 1.
        """
        model = read_model_file(Path(path) if path is not None else None)
        try:
            return cls(model, threads, backend, trusted=trusted)
        except ModelFileError as error:
            raise ModelFileError(f"{path or model.name}: {error}") from error

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each class."""
        return self.model.labels

    def classify(self, image: Image) -> Classification:
        """Classify one image.

        Args:
            image: uint8 [28, 28], 0 = background, 255 = ink.

        Raises:
            ImageError: it is no such array.
        """
        outputs = self._single.run(check_image(image))[0]
        return Classification(int(outputs.argmax()), outputs, self.model.labels, self.model.output)

    def classify_batch(self, images: Batch) -> Classifications:
        """Classify many images, on as many Python threads as the classifier has threads, each with an interpreter of its own.

        Args:
            images: uint8 [N, 28, 28], 0 = background, 255 = ink; N may be 0.

        Raises:
            ImageError: it is no such array.
        """
        check_batch(images)
        outputs = np.empty((len(images), len(self.labels)), self.model.output.dtype)
        if not self._trusted or len(images) < BATCH:
            for position, image in enumerate(images):
                outputs[position] = self._single.run(image)[0]
        else:
            self._fill(outputs, images)
        return Classifications(outputs.argmax(axis=1), outputs, self.labels, self.model.output)

    def _fill(self, outputs: NDArray[Any], images: Batch) -> None:
        from concurrent.futures import ThreadPoolExecutor

        starts = range(0, len(images), BATCH)
        while len(self._batch_runners) < min(self._threads, len(starts)):
            self._batch_runners.append(self._runner(threads=1, batch=BATCH))

        def work(number: int) -> None:
            for start in starts[number :: len(self._batch_runners)]:
                outputs[start : start + BATCH] = self._batch_runners[number].run(images[start : start + BATCH])

        with ThreadPoolExecutor(len(self._batch_runners)) as pool:
            for finished in [pool.submit(work, number) for number in range(len(self._batch_runners))]:
                finished.result()

    def _runner(self, threads: int, batch: int) -> Runner:
        return Runner(self.model.flatbuffer, self.model.graph, self.backend, threads, batch)


def real_values(outputs: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """Outputs of the graph as float32: integers by the tensor's scale and zero point, floats as they are."""
    if tensor.dtype == "float32":
        return np.asarray(outputs, np.float32)
    return dequantize(outputs, tensor.scale, tensor.zero_point)
