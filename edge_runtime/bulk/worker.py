"""Pieces of work and their answers, here and on workers of a cluster: what is to be done is a job, loaded once in each process."""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from itertools import islice
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from edge_runtime.bulk.batches import Chunk, FileChunk
from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.distributed.machines import difference
from edge_runtime.errors import DataError, DigitsError, InputError, ModelFileError
from edge_runtime.inference.classifier import BATCH, Classifier, check_finite
from edge_runtime.inference.interpreter import backend_version, find_backend
from edge_runtime.inference.out_of_distribution import OutOfDistribution, out_of_distribution_warnings
from edge_runtime.inputs.image_sets import Images, Stored
from edge_runtime.model.model_file import ModelFile
from edge_runtime.preprocessing.image_files import Picture
from edge_runtime.version import __version__

_BLOCK = 256  # images that are held at a time


@frozen_dataclass
class Job:
    """How pieces are to be answered.

    Attributes:
        model: the checked file, which goes to the workers as it is.
        sha256: of its FlatBuffer.
        backend: which interpreter runs it.
        threads: that classify in a process, and read files.
        batch: images at once.
        folder: that paths begin in.
        samples: files that must be there.
        versions: that must be there.
    """

    model: ModelFile = field(repr=False)
    sha256: str
    backend: str
    threads: int = 1
    batch: int = BATCH
    folder: Path = Path()
    samples: tuple[Path, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    key: str = field(default_factory=lambda: os.urandom(8).hex())


@frozen_dataclass
class PredictionBatch:
    """The answers to a piece of N images.

    indices: int64 [N], the class; -1 for an image that could not be used. confidences: float64 [N]; NaN for one that could not be used.
    warnings, errors: by position.
    """

    indices: NDArray[np.int64]
    confidences: NDArray[np.float64]
    warnings: Mapping[int, str]
    errors: Mapping[int, str]

    @classmethod
    def failed(cls, count: int, cause: str) -> "PredictionBatch":
        """Of a piece none of whose images could be answered."""
        return cls(np.full(count, -1), np.full(count, np.nan), {}, dict.fromkeys(range(count), cause))


class ChunkPredictor:
    """A job, loaded. For one thread at a time."""

    def __init__(self, job: Job) -> None:
        """Load the model.

        Raises:
            DigitsError: this process has other versions, does not find the files, or cannot run the model.
        """
        if cause := difference(job.versions, versions(job.backend) if job.versions else {}):
            raise DigitsError(cause)
        for path in job.samples:
            if not (job.folder / path).exists():
                raise DigitsError(
                    f"does not find {job.folder / path}: images are not sent, their folder must be shared by all machines"
                )
        if job.model.sha256 != job.sha256:
            raise ModelFileError(f"has another model: SHA-256 {job.model.sha256[:16]}, expected {job.sha256[:16]}")
        self._job = job
        self._classifier = Classifier(job.model, job.threads, job.backend, batch=job.batch)
        self._likeness = OutOfDistribution.of(job.model)
        self._open: tuple[Stored, Images] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about the model."""
        return self._classifier.warnings

    def close(self) -> None:
        """Close the file of many images that was read last; what there is next is opened anew."""
        if self._open:
            self._open[1].__exit__(None, None, None)
        self._open = None

    def predict(self, chunk: Chunk) -> PredictionBatch:
        """The answers to a piece; where its file is damaged, none of its images can be used.

        Raises:
            ModelFileError: the model answers with values that are no numbers.
        """
        try:
            parts = [self._block(block) for block in _blocks(self._pictures(chunk))]
        except DataError as error:
            self.close()
            return PredictionBatch.failed(len(chunk.sources), str(error))
        starts = np.cumsum([0, *(len(part.indices) for part in parts)]).tolist()
        return PredictionBatch(
            np.concatenate([part.indices for part in parts]),
            np.concatenate([part.confidences for part in parts]),
            {start + place: text for start, part in zip(starts, parts, strict=False) for place, text in part.warnings.items()},
            {start + place: text for start, part in zip(starts, parts, strict=False) for place, text in part.errors.items()},
        )

    def _pictures(self, chunk: Chunk) -> Iterator[Picture | InputError]:
        if isinstance(chunk, FileChunk):
            return chunk.pictures(self._job.folder, self._job.threads)
        if self._open is None or self._open[0] != chunk.stored:
            self.close()
            self._open = chunk.stored, chunk.stored.open(self._job.folder)
        return chunk.pictures(self._open[1])

    def _block(self, pictures: list[Picture | InputError]) -> PredictionBatch:
        usable = {place: picture for place, picture in enumerate(pictures) if isinstance(picture, Picture)}
        indices, confidences = np.full(len(pictures), -1), np.full(len(pictures), np.nan)
        warnings = {place: picture.warnings for place, picture in usable.items()}
        if usable:
            found = self._classifier.classify_batch(np.stack([picture.image for picture in usable.values()]))
            places = list(usable)
            indices[places] = found.indices
            confidences[places] = found.scores[np.arange(len(found)), found.indices]
            check_finite(confidences[places])
            for (place, picture), result in zip(usable.items(), found, strict=True):
                warnings[place] += out_of_distribution_warnings(self._likeness, picture.image, result)
        return PredictionBatch(
            indices,
            confidences,
            {place: "; ".join(texts) for place, texts in warnings.items() if texts},
            {place: str(picture) for place, picture in enumerate(pictures) if isinstance(picture, InputError)},
        )


def versions(backend: str | None) -> dict[str, str]:
    """What answers depend on besides model and images: versions of this package and of the interpreter.

    Raises:
        MissingPackage: the interpreter is not installed.
    """
    found = find_backend(backend)
    return {"edge-digits": __version__, found.package: backend_version(found)}


def predict_chunk(job: Job, chunk: Chunk) -> PredictionBatch:
    """The answers to a piece, as a worker gives them. The job is loaded with the first one; one piece at a time.

    Raises:
        DigitsError: as `ChunkPredictor`; the message names the worker.
    """
    with _lock:
        try:
            if job.key not in _loaded:
                while _loaded:
                    _loaded.popitem()[1].close()
                _loaded[job.key] = ChunkPredictor(job)
            return _loaded[job.key].predict(chunk)
        except DigitsError as error:
            raise type(error)(f"worker {platform.node()}/{os.getpid()}: {error}") from error


_lock, _loaded = Lock(), dict[str, ChunkPredictor]()


def _blocks(pictures: Iterable[Picture | InputError]) -> Iterator[list[Picture | InputError]]:
    source = iter(pictures)
    return iter(lambda: list(islice(source, _BLOCK)), [])
