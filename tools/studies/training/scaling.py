"""Measures what many workers cost, with a real scheduler and two real workers on this machine, and writes it into docs/scaling.md.

python -m tools.studies.training.scaling           measure; write the numbers, and the estimate that is drawn from them, between their marks
python -m tools.studies.training.scaling --print   measure and print
"""

import importlib
import os
import pickle
import platform
import sys
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
from edge_runtime.common.intervals import Accuracy, wilson_interval
from edge_runtime.distributed.cluster import connect, outcomes, share, worker_count
from tools.pages.marked import filled
from tools.support.local_cluster import Cluster, dask, local_cluster, processor_seconds
from tools.support.waiting import until
from train.config.training_config import TrainingConfig
from train.data import load_dataset
from train.experiments.cli import to_int8
from train.experiments.grid import Grid, key_of
from train.experiments.store import ExperimentSpec, open_store
from train.experiments.trial import TrialResult, run_trial
from train.runs.store import Epoch
from train.runs.versions import WORKER_REQUIREMENTS, installed_versions

DOC = Path(__file__).parents[3] / "docs" / "scaling.md"
WORKERS = 1_000  # that the estimate is for
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
    call, content = (config, data.sha256, to_int8), pickle.dumps(data)
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


def table(found: Measured) -> str:
    """The measurements as Markdown."""
    rows = (
        ("an empty task, two workers, by the clock", f"{1e3 * found.empty.wall:.2f} ms"),
        ("the scheduler's processor time in it", f"{1e3 * found.empty.scheduler:.2f} ms"),
        ("a task with a cell's arguments and result, but no training", f"{1e3 * found.cell.wall:.2f} ms"),
        ("the scheduler's processor time in it", f"{1e3 * found.cell.scheduler:.2f} ms"),
        ("shipped to a worker for a cell of MNIST (function, config, hash of the data)", f"{found.call_bytes:,} bytes"),
        ("shipped back (curve of 15 epochs, accuracy, sizes, times, versions)", f"{found.result_bytes:,} bytes"),
        ("keeping a result in the experiment's folder", f"{1e3 * found.store:.2f} ms"),
        (
            f"a data set of {found.share_bytes / 1e6:.1f} MB to both workers, once for an experiment with `--data`",
            f"{found.share:.2f} s",
        ),
        ("a worker process, until the scheduler knows it", f"{found.start:.1f} s"),
        ("the first cell of a worker (2 layers, 15 epochs), with TensorFlow and MNIST to load", f"{found.first:.1f} s"),
        ("another such cell", f"{found.further:.1f} s"),
    )
    lines = ["| what | cost |", "| --- | --- |", *(f"| {what} | {cost} |" for what, cost in rows)]
    return "\n".join([*lines, "", f"Measured on {found.machine}; medians of {REPEATS} runs of {TASKS:,} tasks."])


def estimate(found: Measured) -> str:
    """What would limit many workers, drawn from the measurements, as Markdown."""
    rate = WORKERS / found.further
    load = 100 * rate * found.cell.scheduler
    shortest = WORKERS * found.cell.scheduler
    overhead = 100 * (found.start + found.first - found.further) / (found.start + found.first)
    hops = (WORKERS - 1).bit_length()
    cells = len(Grid().cells)
    return "\n".join(
        (
            f"- **The grid itself.** The default grid has {cells} cells: more workers than that have nothing to do, and no number of them"
            f" ends it before its longest cell. {WORKERS:,} workers want some {10 * WORKERS:,} cells or more.",
            f"- **Starting up.** A worker that trains a single cell of {found.further:.0f} s spends about {max(0, overhead):.0f} % of its"
            " time on starting and loading TensorFlow; with ten cells, about a tenth of that. If all of them read TensorFlow (over a"
            " gigabyte installed) from one network disk at the same time, that is likely to take longer; not measured.",
            f"- **The scheduler.** It is one process. At {1e3 * found.cell.scheduler:.2f} ms a task, {WORKERS:,} workers with cells of"
            f" {found.further:.0f} s ({rate:.0f} a second) keep it busy for {load:.0f} % of one core; cells shorter than about"
            f" {shortest:.1f} s would be too much for it. Heartbeats of so many workers come on top; not measured.",
            f"- **The client.** It keeps {1 / found.store:,.0f} results a second, where {rate:.0f} come.",
            f"- **Data of one's own.** {found.share_bytes / 1e6:.0f} MB go to the scheduler once, and from worker to worker after that:"
            f" if twice as many have them after each round, {hops} rounds, about {hops * found.share:.0f} s. The embedded MNIST is not"
            " shipped.",
        )
    )


def main() -> None:
    """Measure, and write or print."""
    found = measure()
    parts = {"measured": table(found), "estimate": estimate(found)}
    if "--print" in sys.argv[1:]:
        print("\n\n".join(parts.values()))
    else:
        DOC.write_text(filled(DOC.read_text(), parts, DOC.name))


if __name__ == "__main__":
    # Run as a module this file is __main__; workers find its functions under its own name.
    importlib.import_module("tools.studies.training.scaling").main()
