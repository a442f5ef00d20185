"""Classify any number of images into a table: in this process, or on the workers of a dask scheduler."""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge_runtime.bulk.batches import Chunk, Plan, describe
from edge_runtime.bulk.results import Table
from edge_runtime.bulk.worker import ChunkPredictor, Job, PredictionBatch, predict_chunk, versions
from edge_runtime.common.packages import pip_install
from edge_runtime.distributed.machines import Requirements, WorkersLost
from edge_runtime.errors import DigitsError, MissingPackage

PredictedChunks = Iterator[tuple[Chunk, PredictionBatch]]
_UNPICKLING = (ImportError, AttributeError, pickle.UnpicklingError)


@dataclass
class Counts:
    """How many images were processed, how many of them could not be used, and how many show no digit."""

    images: int = 0
    failed: int = 0
    without_digit: int = 0


def write_all(
    table: Table, predicted: PredictedChunks, on_error: Callable[[str], object], on_progress: Callable[[Counts], object]
) -> Counts:
    """Write predictions as they arrive.

    Args:
        table: the open table.
        predicted: chunks with their predictions, in order.
        on_error: called with the reason why an image could not be used.
        on_progress: called with the counts after each chunk.
    """
    counts = Counts()
    for chunk, batch in predicted:
        table.write(chunk.sources, batch)
        for cause in dict.fromkeys(batch.errors.values()):
            on_error(cause)
        counts.images += len(batch.indices)
        counts.failed += len(batch.errors)
        counts.without_digit += int((batch.indices < 0).sum()) - len(batch.errors)
        on_progress(counts)
    return counts


@contextmanager
def run_locally(job: Job, plan: Plan) -> Iterator[PredictedChunks]:
    """Classify the chunks of a plan in this process.

    Raises:
        DigitsError: as `ChunkPredictor`.
    """
    with closing(ChunkPredictor(job)) as predictor:
        yield ((chunk, predictor.predict(chunk)) for chunk in plan.chunks())


@contextmanager
def run_on_workers(job: Job, plan: Plan, scheduler: str) -> Iterator[PredictedChunks]:
    """Classify the chunks of a plan on the workers of a dask scheduler, which get the model once and read the images themselves.

    A few chunks per worker are submitted at a time. A chunk whose worker dies is retried; the images of a chunk that ends several workers
    in a row count as unusable.

    Raises:
        BadArgument: `scheduler` is no address.
        DigitsError: no scheduler answers, workers lack something, none is left, or a chunk failed; the message names its images.
        MissingPackage: dask is not installed.
    """
    try:
        from edge_runtime.distributed.cluster import connect, outcomes_in_order, share
    except ModuleNotFoundError as error:
        raise MissingPackage(f"--scheduler needs {error.name}; install it with: {pip_install()} '.[distributed]'") from error

    requirements = Requirements(partial(versions, job.backend), "litert")
    shared = replace(job, folder=Path.cwd(), samples=tuple(plan.samples()), versions=requirements.versions())
    with connect(requirements, scheduler) as client:
        pending = deque[Chunk]()
        calls = _calls(pending, share(client, shared), plan.chunks())
        yield _with_chunks(pending, outcomes_in_order(client, predict_chunk, calls))


def _calls(pending: deque[Chunk], job: object, chunks: Iterable[Chunk]) -> Iterator[tuple[object, Chunk]]:
    for chunk in chunks:
        pending.append(chunk)
        yield job, chunk


def _with_chunks(pending: deque[Chunk], outcomes: Iterator[object]) -> PredictedChunks:
    while True:
        try:
            outcome = next(outcomes)
        except StopIteration:
            return
        except DigitsError as error:
            raise DigitsError(f"{error} (the next images were {describe(pending[0])})") from error
        chunk = pending.popleft()
        yield chunk, _batch(chunk, outcome)


def _batch(chunk: Chunk, outcome: object) -> PredictionBatch:
    if isinstance(outcome, WorkersLost):
        return PredictionBatch.failed(len(chunk.sources), f"{describe(chunk)}: {outcome}")
    if isinstance(outcome, DigitsError):
        raise outcome
    if isinstance(outcome, PredictionBatch):
        return outcome
    advice = "; install the same version of edge-digits on all machines" if isinstance(outcome, _UNPICKLING) else ""
    raise DigitsError(f"{describe(chunk)}: a worker failed with {type(outcome).__name__}: {outcome}{advice}")
