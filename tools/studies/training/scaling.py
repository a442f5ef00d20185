"""Measures what many workers cost, with a real scheduler and two real workers on this machine.

python -m tools.studies.training.scaling           measure; write benchmarks/reference/scaling.json, which `make pages` reads
python -m tools.studies.training.scaling --print   measure and print
"""

import importlib
import os
import pickle
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.system.info import cpu_name
from convert.int8 import int8_flatbuffer
from edge_runtime.common.intervals import Accuracy, wilson_interval
from edge_runtime.distributed.cluster import connect, outcomes, share, worker_count
from tools.release.layout import write_or_print
from tools.support.local_cluster import Cluster, dask, local_cluster, processor_seconds
from tools.support.waiting import until
from train.config.training_config import TrainingConfig
from train.data import load_dataset
from train.experiments.grid import Grid, key_of
from train.experiments.store import ExperimentSpec, open_store
from train.experiments.trial import TrialResult, run_trial
from train.runs.store import Epoch
from train.runs.versions import WORKER_REQUIREMENTS, installed_versions

RESULT = "scaling.json"
TASKS, REPEATS = 1_000, 3
Call = tuple[Any, ...]


@dataclass(frozen=True)
class Task:
    """What one task costs, in seconds: by the clock with two workers, and of the scheduler's processor."""

    wall: float
    scheduler: float


@dataclass(frozen=True)
class Measured:
    """Costs in seconds and sizes in bytes; medians of `REPEATS` runs.

    empty, cell: a task without work, and one with a cell's arguments and result but no training.
    share: a data set of `share_bytes` from the client to both workers.
    start: a worker process until the scheduler knows it.
    first, further: a cell of two layers, the first of a worker (with TensorFlow and MNIST to load) and another one.
    """

    machine: str
    empty: Task
    cell: Task
    call_bytes: int
    result_bytes: int
    store: float
    share_bytes: int
    share: float
    start: float
    first: float
    further: float


def nothing(_number: int) -> None:
    """A task without work."""


def answer(config: TrainingConfig, _data: str, _to_int8: object) -> TrialResult:
    """What a cell answers, without training."""
    accuracy = Accuracy(4_900, 5_000, wilson_interval(4_900, 5_000))
    history = tuple(Epoch(number, 0.123456789012, 0.987654321, 0.234567890123, 0.98) for number in range(1, config.epochs + 1))
    worker = f"{platform.node()}/{os.getpid()}"
    return TrialResult(config, 118_282, history, accuracy, 20.123456789, 21.123456789, 118_144, worker, _versions())


@cache
def _versions() -> dict[str, str]:
    return installed_versions()


def size_of(value: bytes, _number: int) -> int:
    """How many bytes have arrived."""
    return len(value)


def measure() -> Measured:
    """Measure all of it; takes a few minutes."""
    data, config = load_dataset(), next(cell for cell in Grid().cells if len(cell.hidden) == 2)
    call, content = (config, data.sha256, int8_flatbuffer), pickle.dumps(data)
    machine = f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores, {os.getloadavg()[0]:.1f} processes busy before it began"
    with (
        TemporaryDirectory() as folder,
        local_cluster(Path(folder), 2) as cluster,
        connect(WORKER_REQUIREMENTS, cluster.address) as client,
    ):
        until(lambda: worker_count(client) == 2)
        _tasks(client, cluster, nothing, [(number,) for number in range(100)])  # the first ones open connections
        return Measured(
            machine=f"{machine}; dask {version('dask')}, Python {platform.python_version()}",
            empty=_median(lambda: _tasks(client, cluster, nothing, [(number,) for number in range(TASKS)])),
            cell=_median(lambda: _tasks(client, cluster, answer, [call] * TASKS)),
            call_bytes=len(pickle.dumps((run_trial, call))),
            result_bytes=len(pickle.dumps(answer(*call))),
            store=_store(config),
            share_bytes=len(content),
            share=median(_share(client, content) for _ in range(REPEATS)),
            start=median(_start(client, cluster, Path(folder), number) for number in range(REPEATS)),
            first=_seconds(lambda: _train(client, call)),
            further=_seconds(lambda: _train(client, call)),
        )


def _tasks(client: Any, cluster: Cluster, function: Callable[..., object], calls: list[Call]) -> Task:
    before, started = processor_seconds(cluster.scheduler.pid), time.perf_counter()
    for _, outcome in outcomes(client, function, {str(number): call for number, call in enumerate(calls)}):
        assert not isinstance(outcome, Exception), outcome
    wall, scheduler = time.perf_counter() - started, processor_seconds(cluster.scheduler.pid) - before
    return Task(wall / len(calls), scheduler / len(calls))


def _median(run: Callable[[], Task]) -> Task:
    runs = [run() for _ in range(REPEATS)]
    return Task(median(task.wall for task in runs), median(task.scheduler for task in runs))


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _share(client: Any, content: bytes) -> float:
    """Until each of two tasks, one on each worker, has what is shared."""

    def both() -> None:
        sent = share(client, content)
        workers = list(client.nthreads())
        arrived = [client.submit(size_of, sent, number, workers=[worker], pure=False) for number, worker in enumerate(workers)]
        assert client.gather(arrived) == [len(content)] * len(workers)

    return _seconds(both)


def _start(client: Any, cluster: Cluster, folder: Path, number: int) -> float:
    before = worker_count(client)
    started = time.perf_counter()
    with dask(
        "worker", cluster.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", folder / f"{number}"
    ):
        until(lambda: worker_count(client) > before)
        seconds = time.perf_counter() - started
    until(lambda: worker_count(client) == before)
    return seconds


def _train(client: Any, call: Call) -> None:
    """One real cell, on the same worker each time."""
    worker = min(client.nthreads())
    client.submit(run_trial, *call, workers=[worker], pure=False).result()


def _store(config: TrainingConfig) -> float:
    """Seconds to keep one result."""
    result, asked = answer(config, "", None), ExperimentSpec(Grid(), "MNIST", "", installed_versions())
    with TemporaryDirectory() as folder, open_store(Path(folder) / "measured", asked) as store:
        started = time.perf_counter()
        for _ in range(100):
            store.add(key_of(config), result)
        return (time.perf_counter() - started) / 100


def main() -> None:
    """Measure, and write or print."""
    write_or_print(measure(), RESULT)


if __name__ == "__main__":
    # Run as a module this file is __main__; workers find its functions under its own name.
    importlib.import_module("tools.studies.training.scaling").main()
