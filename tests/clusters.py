"""What real workers are asked to do in tests, and which of them do something."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tools.support.waiting import until


def running(client: Any) -> dict[str, list[Any]]:
    """Names of the workers that have a task at this moment, with its keys."""
    names = {address: worker["name"] for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()}
    return {names[address]: list(keys) for address, keys in client.processing().items() if keys and address in names}


# Tasks.


def nap(number: int, seconds: float) -> tuple[int, int]:
    """The number, and the process that slept."""
    time.sleep(seconds)
    return number, os.getpid()


def hold(number: int, mark: str) -> tuple[int, int]:
    """Wait for a file of that name; the number, and the process that waited."""
    until(Path(mark).exists)
    return number, os.getpid()


def refuse(number: int) -> int:
    """Fail for odd numbers."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def die(number: int, fatal: int) -> int:
    """Take the worker with it, each time, if the number is the fatal one."""
    if number == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_once(number: int, mark: str, shared: bytes) -> tuple[int, int]:
    """The first call of all takes its worker with it; the others tell the size of what they share."""
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return number, len(shared)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def prepare(deadly: str, mark: str = "") -> None:
    """From now on this worker counts how often a job is loaded, and dies of a piece of work that names `deadly`.

    It answers nothing before there is a file `mark`.
    """
    from edge_runtime.bulk import worker

    loads.clear()
    (process,) = (kind for kind in worker.ChunkPredictor.__mro__ if kind.__module__ == worker.__name__)

    class Counted(process):  # type: ignore[misc, valid-type]
        def __init__(self, job: worker.Job) -> None:
            loads.append(job.key)
            super().__init__(job)

        def predict(self, chunk: worker.Chunk) -> worker.PredictionBatch:
            until(lambda: not mark or Path(mark).exists())
            if deadly and any(source.endswith(deadly) for source in chunk.sources):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().predict(chunk)

    worker.ChunkPredictor = Counted


def hold_cells(mark: str) -> None:
    """From now on this worker trains no cell of an experiment before there is a file `mark`."""
    from train.experiments import trial

    train = trial.run_trial

    def held(*words: Any) -> Any:
        until(Path(mark).exists)
        return train(*words)

    trial.run_trial = held


loads: list[str] = []


def loaded() -> int:
    """How often a job was loaded by this worker."""
    return len(loads)
