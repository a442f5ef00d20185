"""Digits from pixels: the classifier that a device program uses.

classifier = Classifier.load()
result = classifier.classify(image)      # uint8 [28, 28]
result.label, result.confidence
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.pixels import Batch, Image, check_batch, check_image
from edge_runtime.common.quantization import dequantize, softmax
from edge_runtime.errors import BadArgument, ModelFileError
from edge_runtime.inference.interpreter import Backend, find_backend
from edge_runtime.inference.runner import Runner
from edge_runtime.model.graph import Tensor
from edge_runtime.model.model_file import ModelFile, read_model_file

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from edge_runtime.inference.isolated_runner import IsolatedRunner

BATCH = 50


@frozen_dataclass
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
    """A model loaded into an interpreter.

    It may be used from several threads at once. Single images then wait for each other, so that one classifier a thread is quicker.

    Attributes:
        model: the checked model file.
        backend: which package runs it.
        threads: how many threads one image, or a batch of them, may use.
        batch: how many images of a larger batch or a stream go through an interpreter at once.
        warnings: what a user should know about the model, such as that nothing proves it.
    """

    _single: "Runner | IsolatedRunner"

    def __init__(
        self, model: ModelFile, threads: int = 1, backend: str | None = None, *, in_process: bool = False, batch: int = BATCH
    ) -> None:
        """Load a checked model file; `Classifier.load` does both steps. Arguments and errors are those of `load`."""
        self.model = model
        self.backend: Backend = find_backend(backend)
        self.warnings: tuple[str, ...] = ()
        if batch < 1:
            raise BadArgument(f"batch is {batch}, expected 1 or more")
        self.threads, self.batch = threads, batch
        self._labels, self._output = model.labels, model.output  # a property's time counts in `classify`
        self._in_process = in_process or model.manifest is not None
        if model.manifest is None:
            self.warnings = (f"{model.name} is a plain .tflite: nothing states its labels or proves its accuracy",)
        if self._in_process:
            self._single = self._runner(threads, batch=1)
        else:
            from edge_runtime.inference.isolated_runner import IsolatedRunner  # subprocess: 8 ms that others need not pay

            self._single = IsolatedRunner(model.flatbuffer, model.graph, self.backend, threads)
        self._single_lock = Lock()
        self._spare_runners: list[Runner] = []  # each is one thread's while it is not in here

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        threads: int = 1,
        backend: str | None = None,
        *,
        in_process: bool = False,
        batch: int = BATCH,
    ) -> "Classifier":
        """Load a model.

        Args:
            path: a model file, or a shipped model's name such as "nano"; None for the default one.
            threads: how many threads one image, or a batch of them, may use.
            backend: "litert", "tflite" or "tensorflow"; None for the first of them that is installed.
            in_process: run a plain .tflite, which nothing vouches for, in this very process and not in a child. It is faster, and a damaged
                file may end the process.
            batch: how many images of a larger batch or a stream go through an interpreter at once.

        Raises:
            ModelFileError: the file is damaged, or the interpreter refuses it.
            MissingPackage: no interpreter is installed; the message says the line to run.
            BadArgument: unknown backend, or threads or batch below 1.
        """
        model = read_model_file(Path(path) if path is not None else None)
        try:
            return cls(model, threads, backend, in_process=in_process, batch=batch)
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
        image = check_image(image)
        with self._single_lock:
            outputs = self._single.run_one(image)
        return Classification(int(outputs.argmax()), outputs, self._labels, self._output)

    def classify_batch(self, images: Batch) -> Classifications:
        """Classify many images, on as many Python threads as the classifier has threads, each with an interpreter of its own.

        Args:
            images: uint8 [N, 28, 28], 0 = background, 255 = ink; N may be 0.

        Raises:
            ImageError: it is no such array.
        """
        images = check_batch(images)
        outputs = np.empty((len(images), len(self.labels)), self.model.output.dtype)
        if not self._in_process or len(images) < self.batch:
            for position, image in enumerate(images):
                with self._single_lock:
                    outputs[position] = self._single.run_one(image)
        else:
            self._fill(outputs, images)
        return Classifications(outputs.argmax(axis=1), outputs, self.labels, self.model.output)

    def classify_stream(self, images: Iterable[Image]) -> Iterator[Classification]:
        """Classify images one after the other as they come, in batches on all threads, with an answer for each in the same order.

        No more than a few batches are held at a time, however many images come. An answer comes once its batch is full or the images end.

        Args:
            images: uint8 [28, 28] each.

        Raises:
            ImageError: one of them is no such array.
        """
        source = iter(images)
        batches = iter(lambda: [check_image(image) for image in islice(source, self.batch)], [])
        if not self._in_process:
            for batch in batches:
                yield from self.classify_batch(np.stack(batch))
            return
        running = deque[tuple[Runner, "Future[NDArray[Any]]"]]()

        def oldest() -> Classifications:
            runner, future = running.popleft()
            outputs = future.result()
            idle.append(runner)
            return Classifications(outputs.argmax(axis=1), outputs, self.labels, self.model.output)

        with self._borrowed(self.threads) as runners, _pool(self.threads) as pool:
            idle = deque(runners)
            for batch in batches:
                if not idle:
                    yield from oldest()
                runner = idle.popleft()
                running.append((runner, pool.submit(runner.run, np.stack(batch))))
            while running:
                yield from oldest()

    def _fill(self, outputs: NDArray[Any], images: Batch) -> None:
        starts = range(0, len(images), self.batch)

        def work(runner: Runner, mine: range) -> None:
            for start in mine:
                outputs[start : start + self.batch] = runner.run(images[start : start + self.batch])

        with self._borrowed(min(self.threads, len(starts))) as runners, _pool(len(runners)) as pool:
            for finished in [pool.submit(work, runner, starts[first :: len(runners)]) for first, runner in enumerate(runners)]:
                finished.result()

    @contextmanager
    def _borrowed(self, count: int) -> Iterator[list[Runner]]:
        """So many interpreters for batches that nobody else has meanwhile; made where there are too few."""
        runners: list[Runner] = []
        try:
            while len(runners) < count:
                try:
                    runners.append(self._spare_runners.pop())  # a list's end is safe between threads
                except IndexError:
                    runners.append(self._runner(threads=1, batch=self.batch))
            yield runners
        finally:
            self._spare_runners += runners

    def _runner(self, threads: int, batch: int) -> Runner:
        return Runner(self.model.flatbuffer, self.model.graph, self.backend, threads, batch)


def _pool(threads: int) -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor  # 5 ms that a single image need not pay

    return ThreadPoolExecutor(threads)


def check_finite(confidences: float | NDArray[np.float64]) -> None:
    """Refuse the answers of a model whose outputs are no numbers; confidences are those of `Classification` or of many.

    Raises:
        ModelFileError: one of them is NaN.
    """
    if np.isnan(confidences).any():
        raise ModelFileError("the model answers with values that are no numbers (NaN or infinite)")


def real_values(outputs: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """Outputs of the graph as float32: integers by the tensor's scale and zero point, floats as they are."""
    if tensor.dtype == "float32":
        return np.asarray(outputs, np.float32)
    return dequantize(outputs, tensor.scale, tensor.zero_point)
