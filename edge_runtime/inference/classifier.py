"""Classify images and pictures with one model.

with Classifier.load() as classifier:
    prediction = classifier.classify_file("photo.jpg")
    prediction.label, prediction.confidence, prediction.warnings
    classifier.classify(image).label         # uint8 [28, 28]
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import Batch, Image, check_batch, check_image
from edge_runtime.errors import BadArgument, ModelFileError
from edge_runtime.inference.interpreter import Backend, find_backend
from edge_runtime.inference.results import Classification, Classifications, Prediction
from edge_runtime.inference.runner import Runner
from edge_runtime.model.model_file import ModelFile, read_model_file

if TYPE_CHECKING:
    from types import TracebackType

    from edge_runtime.inference.isolated_runner import IsolatedRunner
    from edge_runtime.inference.out_of_distribution import OutOfDistribution
    from edge_runtime.inference.runner_pool import RunnerPool
    from edge_runtime.preprocessing.image_files import Picture

__all__ = ["BATCH", "Classification", "Classifications", "Classifier"]

BATCH = 50
_CLOSED = "the classifier is closed; load the model again with Classifier.load()"


class Classifier:
    """A model loaded into an interpreter.

    Threads may share a classifier. Single images then wait for each other; one classifier per thread is faster.

    Attributes:
        model: the checked model file.
        backend: the package that runs it.
        threads: threads for one image, or for a batch.
        batch: images per interpreter call in batches and streams.
        warnings: what a user should know about the model, such as that it is a plain .tflite.
    """

    _single: "Runner | IsolatedRunner | _Closed"

    def __init__(
        self, model: ModelFile, threads: int = 1, backend: str | None = None, *, in_process: bool = False, batch: int = BATCH
    ) -> None:
        """Load a checked model file. Arguments and errors are those of `load`, which reads the file too."""
        self.model = model
        self.backend: Backend = find_backend(backend)
        self.warnings: tuple[str, ...] = ()
        if batch < 1:
            raise BadArgument(f"batch is {batch}, expected 1 or more")
        self.threads, self.batch = threads, batch
        # A property's time counts in `classify`.
        self._labels, self._output, self._temperature = model.labels, model.output, model.temperature
        self._in_process = in_process or model.manifest is not None
        if model.manifest is None:
            self.warnings = (f"{model.name} is a plain .tflite: nothing states its labels or proves its accuracy",)
        if self._in_process:
            self._single = Runner(model.flatbuffer, model.graph, self.backend, threads)
        else:
            from edge_runtime.inference.isolated_runner import IsolatedRunner  # imports subprocess: 8 ms

            self._single = IsolatedRunner(model.flatbuffer, model.graph, self.backend, threads)
        self._single_lock = Lock()

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
            path: a model file, or the name of a shipped model such as "nano"; None for the default, "small".
            threads: threads for one image, or for a batch.
            backend: "litert", "tflite" or "tensorflow"; None for the first of them that is installed.
            in_process: run a plain .tflite in this process. By default it runs in a child process, since a damaged file can crash the
                interpreter; that is slower.
            batch: images per interpreter call in batches and streams.

        Raises:
            ModelFileError: the file is damaged, or the interpreter refuses it.
            MissingPackage: no interpreter is installed; the message gives the command that installs one.
            BadArgument: unknown backend, or threads or batch below 1.
        """
        model = read_model_file(Path(path) if path is not None else None)
        try:
            return cls(model, threads, backend, in_process=in_process, batch=batch)
        except ModelFileError as error:
            raise ModelFileError(f"{path or model.name}: {error}") from error

    def close(self) -> None:
        """Free the interpreters, and end the child process of a plain .tflite. Classifying raises `BadArgument` from then on."""
        with self._single_lock:
            runner, self._single = self._single, _Closed()
        vars(self).pop("_pool", None)
        if not isinstance(runner, Runner | _Closed):
            runner.close()

    def __enter__(self) -> "Classifier":
        return self

    def __exit__(self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None") -> None:
        self.close()

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each class."""
        return self.model.labels

    @cached_property
    def out_of_distribution(self) -> "OutOfDistribution | None":
        """The detector of images that are no digits; None for a model without a calibration (all but the shipped ones)."""
        from edge_runtime.inference.out_of_distribution import OutOfDistribution  # reads its components from a file

        return OutOfDistribution.of(self.model)

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
        return Classification(int(outputs.argmax()), outputs, self._labels, self._output, self._temperature)

    def classify_file(self, file: str | Path | BinaryIO) -> Prediction:
        """Find the digit in an image file and classify it, as `digits classify` does.

        Args:
            file: path or open binary file of a PNG, JPEG, BMP, GIF, WebP or TIFF image.

        Raises:
            ImageError: the file cannot be read as an image.
            ModelFileError: the model's outputs are NaN or infinite.
        """
        from edge_runtime.preprocessing.image_files import read_picture, source_name  # imports Pillow

        return self.classify_picture(read_picture(file), source_name(file))

    def classify_picture(self, picture: "Picture", source: str = "") -> Prediction:
        """Classify a picture, and warn of what makes the answer doubtful.

        Args:
            picture: as `read_picture` returns it; if it leaves doubt, all its readings are classified.
            source: its path or name.

        Raises:
            ModelFileError: the model's outputs are NaN or infinite.
        """
        return self.classify_pictures([picture], [source])[0]

    def classify_pictures(self, pictures: "Sequence[Picture]", sources: Sequence[str] = ()) -> list[Prediction]:
        """Classify pictures as a batch, each as `classify_picture` does.

        Args:
            pictures: as `read_picture` returns them.
            sources: a path or name for each; none if empty.

        Raises:
            BadArgument: there are other numbers of sources and pictures.
            ModelFileError: the model's outputs are NaN or infinite.
        """
        from edge_runtime.inference.decision import decide_all, readings_of  # 1 ms that `classify` need not pay

        if not pictures:
            return []
        if sources and len(sources) != len(pictures):
            raise BadArgument(f"got {len(sources)} sources for {len(pictures)} pictures, expected one for each")
        readings = [readings_of(picture, self._labels, self.out_of_distribution) for picture in pictures]
        results = self.classify_batch(np.stack([reading.image for each in readings for reading in each]))
        return decide_all(sources or [""] * len(pictures), readings, results, self.out_of_distribution)

    def classify_batch(self, images: Batch) -> Classifications:
        """Classify many images on `threads` Python threads, each with an interpreter of its own.

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
            self._pool.run(images, outputs)
        return self._classifications(outputs)

    def classify_stream(self, images: Iterable[Image]) -> Iterator[Classification]:
        """Classify images as they come, in batches on all threads; results keep the order of the images.

        At most a few batches are held in memory. A result comes once its batch is full or the images end.

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
        with closing(self._pool.stream(map(np.stack, batches))) as results:
            for outputs in results:
                yield from self._classifications(outputs)

    def _classifications(self, outputs: NDArray[Any]) -> Classifications:
        return Classifications(outputs.argmax(axis=1), outputs, self._labels, self._output, self._temperature)

    @cached_property
    def _pool(self) -> "RunnerPool":
        from edge_runtime.inference.runner_pool import RunnerPool  # imports concurrent.futures: 5 ms

        return RunnerPool(self._batch_runner, self.threads, self.batch)

    def _batch_runner(self) -> Runner:
        if isinstance(self._single, _Closed):
            raise BadArgument(_CLOSED)
        return Runner(self.model.flatbuffer, self.model.graph, self.backend, threads=1, batch=self.batch)


class _Closed:
    """The runner of a closed classifier."""

    def run_one(self, image: Image) -> NDArray[Any]:
        """Refuse every image."""
        raise BadArgument(_CLOSED)
