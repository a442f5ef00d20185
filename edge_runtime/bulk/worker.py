"""Classify chunks of images, in this process or on a cluster's worker. A job says how; each process loads it once."""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from edge_runtime.inference.classifier import BATCH, Classifier
from edge_runtime.inference.interpreter import backend_version, find_backend
from edge_runtime.inputs.image_sets import Images, ImageSet
from edge_runtime.model.model_file import ModelFile
from edge_runtime.preprocessing.image_files import Picture
from edge_runtime.version import __version__

_BLOCK = 256  # images in memory at a time


@frozen_dataclass
class Job:
    """How to classify chunks.

    Attributes:
        model: the checked model file, which is sent to the workers.
        sha256: hash of its FlatBuffer.
        backend: name of the interpreter.
        threads: threads of a process, for classifying and for reading files.
        batch: images per interpreter call.
        folder: base of relative paths.
        samples: files that a worker must find.
        versions: package versions that a worker must have.
        key: identifies the job.
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
    """Predictions for a chunk of N images.

    indices: int64 [N], the class; -1 for an image that has no digit or could not be used. confidences: float64 [N]; NaN there.
    warnings, errors: by position.
    """

    indices: NDArray[np.int64]
    confidences: NDArray[np.float64]
    warnings: Mapping[int, str]
    errors: Mapping[int, str]

    @classmethod
    def failed(cls, count: int, cause: str) -> "PredictionBatch":
        """The batch of a chunk none of whose images could be used."""
        return cls(np.full(count, -1), np.full(count, np.nan), {}, dict.fromkeys(range(count), cause))


class ChunkPredictor:
    """A loaded job. Not thread-safe."""

    def __init__(self, job: Job) -> None:
        """Load the model.

        Raises:
            DigitsError: this process has other package versions, does not find the files, or cannot run the model.
        """
        if cause := difference(job.versions, versions(job.backend) if job.versions else {}):
            raise DigitsError(cause)
        for path in job.samples:
            if not (job.folder / path).exists():
                raise DigitsError(
                    f"does not find {job.folder / path}; images are not sent to workers, so share their folder with all machines"
                )
        if job.model.sha256 != job.sha256:
            raise ModelFileError(f"the model's SHA-256 is {job.model.sha256[:16]}, expected {job.sha256[:16]}; start the run again")
        self._job = job
        self._classifier = Classifier(job.model, job.threads, job.backend, batch=job.batch)
        self._open: tuple[ImageSet, Images] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the model."""
        return self._classifier.warnings

    def close(self) -> None:
        """Close the file of many images that is open. The next chunk opens its file again."""
        if self._open:
            self._open[1].__exit__(None, None, None)
        self._open = None

    def predict(self, chunk: Chunk) -> PredictionBatch:
        """Classify a chunk. If its file of many images is damaged, none of its images can be used.

        Raises:
            ModelFileError: the model's outputs are NaN or infinite.
        """
        try:
            pictures = (found.without_photo() if isinstance(found, Picture) else found for found in self._pictures(chunk))
            parts = [self._block(block) for block in _blocks(pictures)]
        except DataError as error:
            self.close()
            return PredictionBatch.failed(len(chunk.sources), str(error))
        starts = np.cumsum([0, *(len(part.indices) for part in parts)]).tolist()
        return PredictionBatch(
            np.concatenate([part.indices for part in parts]),
            np.concatenate([part.confidences for part in parts]),
            _shifted(starts, [part.warnings for part in parts]),
            _shifted(starts, [part.errors for part in parts]),
        )

    def _pictures(self, chunk: Chunk) -> Iterator[Picture | InputError]:
        if isinstance(chunk, FileChunk):
            return chunk.pictures(self._job.folder, self._job.threads)
        if self._open is None or self._open[0] != chunk.image_set:
            self.close()
            self._open = chunk.image_set, chunk.image_set.open(self._job.folder)
        return chunk.pictures(self._open[1])

    def _block(self, pictures: list[Picture | InputError]) -> PredictionBatch:
        usable = {position: picture for position, picture in enumerate(pictures) if isinstance(picture, Picture)}
        predictions = dict(zip(usable, self._classifier.classify_pictures(list(usable.values())), strict=True))
        indices, confidences = np.full(len(pictures), -1), np.full(len(pictures), np.nan)
        for position, prediction in predictions.items():
            if prediction.index is not None and prediction.confidence is not None:
                indices[position], confidences[position] = prediction.index, prediction.confidence
        return PredictionBatch(
            indices,
            confidences,
            {position: "; ".join(prediction.warnings) for position, prediction in predictions.items() if prediction.warnings},
            {position: str(picture) for position, picture in enumerate(pictures) if isinstance(picture, InputError)},
        )


def versions(backend: str | None) -> dict[str, str]:
    """Versions of this package and of the interpreter, on which predictions depend.

    Raises:
        MissingPackage: the interpreter is not installed.
    """
    found = find_backend(backend)
    return {"edge-digits": __version__, found.package: backend_version(found)}


def predict_chunk(job: Job, chunk: Chunk) -> PredictionBatch:
    """Classify a chunk on a worker, one chunk at a time. The job is loaded with its first chunk.

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


def _shifted(starts: Sequence[int], parts: Sequence[Mapping[int, str]]) -> dict[int, str]:
    """Texts by position in the chunk, of parts that begin at `starts`."""
    return {start + position: text for start, part in zip(starts, parts, strict=False) for position, text in part.items()}


def _blocks(pictures: Iterable[Picture | InputError]) -> Iterator[list[Picture | InputError]]:
    source = iter(pictures)
    return iter(lambda: list(islice(source, _BLOCK)), [])
