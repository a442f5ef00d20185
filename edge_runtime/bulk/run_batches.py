"""Any number of images into a file of answers: here, or on the workers of a dask scheduler."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge_runtime.bulk.batches import Chunk, Plan, describe
from edge_runtime.bulk.results import Table
from edge_runtime.bulk.worker import ChunkPredictor, Job, PredictionBatch, predict_chunk, versions
from edge_runtime.distributed.machines import Requirements, WorkersLost
from edge_runtime.errors import DigitsError, MissingPackage

PredictedChunks = Iterator[tuple[Chunk, PredictionBatch]]
_PYTHON = "is the same version of edge-digits installed on all machines?"


@dataclass
class Tally:
    """How many images there were, and how many of them could not be used."""

    images: int = 0
    failed: int = 0


def write_all(
    written: Table, answered: PredictedChunks, complain: Callable[[str], object], seen: Callable[[Tally], object]
) -> Tally:
    """Write answers as they come.

    Args:
        written: the file.
        answered: pieces with their answers, in order.
        complain: told why an image could not be used.
        seen: told after each piece how far it is.
    """
    tally = Tally()
    for chunk, answers in answered:
        written.write(chunk.sources, answers)
        for cause in dict.fromkeys(answers.errors.values()):
            complain(cause)
        tally.images += len(answers.indices)
        tally.failed += len(answers.errors)
        seen(tally)
    return tally


@contextmanager
def run_here(job: Job, plan: Plan) -> Iterator[PredictedChunks]:
    """The pieces of a plan with their answers, in this process.

    Raises:
        DigitsError: as `ChunkPredictor`.
    """
    with closing(ChunkPredictor(job)) as predictor:
        yield ((chunk, predictor.predict(chunk)) for chunk in plan.chunks())


@contextmanager
def run_on_workers(job: Job, plan: Plan, scheduler: str) -> Iterator[PredictedChunks]:
    """As `run_here`, from the workers of a dask scheduler. They are sent the model once, and read images themselves.

    A few pieces for each worker are asked for at a time. A worker that dies costs its piece a retry; the images of a piece that ends one
    worker after the other could not be used.

    Raises:
        BadArgument: `scheduler` is no address.
        DigitsError: nobody answers there, workers lack something, none is left, or a piece failed; the message names its images.
        MissingPackage: dask is not installed.
    """
    try:
        from edge_runtime.distributed.cluster import connect, outcomes_in_order, share
    except ModuleNotFoundError as error:
        raise MissingPackage(f"--scheduler needs {error.name}; install it with: pip install '.[distributed]'") from error

    alike = Requirements(partial(versions, job.backend), "litert")
    shared = replace(job, folder=Path.cwd(), samples=tuple(plan.samples()), versions=alike.versions())
    with connect(alike, scheduler) as client:
        asked = deque[Chunk]()
        calls = _noted(asked, share(client, shared), plan.chunks())
        yield _matched(asked, outcomes_in_order(client, predict_chunk, calls))


def _noted(asked: deque[Chunk], job: object, chunks: Iterable[Chunk]) -> Iterator[tuple[object, Chunk]]:
    for chunk in chunks:
        asked.append(chunk)
        yield job, chunk


def _matched(asked: deque[Chunk], outcomes: Iterator[object]) -> PredictedChunks:
    while True:
        try:
            outcome = next(outcomes)
        except StopIteration:
            return
        except DigitsError as error:
            raise DigitsError(f"{error} (the next images were {describe(asked[0])})") from error
        chunk = asked.popleft()
        yield chunk, _answers(chunk, outcome)


def _answers(chunk: Chunk, outcome: object) -> PredictionBatch:
    if isinstance(outcome, WorkersLost):
        return PredictionBatch.failed(len(chunk.sources), f"{describe(chunk)}: {outcome}")
    if isinstance(outcome, DigitsError):
        raise outcome
    if not isinstance(outcome, PredictionBatch):
        raise DigitsError(f"{describe(chunk)}: a worker failed with {type(outcome).__name__}: {outcome}; {_PYTHON}")
    return outcome
