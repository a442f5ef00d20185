"""Measures `digits classify --scheduler` with one and with two real workers on this machine.

python -m tools.studies.device.run_batches           measure, two minutes on an idle machine; write benchmarks/reference/spread.json
python -m tools.studies.device.run_batches --print   measure and print

What is compared takes turns. Client, scheduler and workers share this machine's cores, so the second worker shows what it can only where
there are cores for it; what client and scheduler cost an image says how many workers they can feed.
"""

import importlib
import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.system.info import cpu_name
from edge_runtime.bulk import run_batches
from edge_runtime.bulk.batches import make_plan
from edge_runtime.bulk.results import Table, open_table
from edge_runtime.bulk.worker import Job
from edge_runtime.inference.interpreter import find_backend
from edge_runtime.model.model_file import read_model_file
from tools.release.layout import write_or_print
from tools.support.local_cluster import Cluster, local_cluster, processor_seconds
from tools.support.waiting import until
from train.data import load_dataset

RESULT = "spread.json"
IMAGES, ROUNDS = 100_000, 7
MODEL = "small"


@dataclass(frozen=True)
class Turn:
    """One run. Seconds by the clock, of this process's processor time, and of the scheduler's."""

    wall: float
    client: float
    scheduler: float


@dataclass(frozen=True)
class Way:
    """Medians of the turns with some workers, or with this process alone (0 workers).

    ratio: images a second over those of one worker, turn by turn. Processor time is in microseconds an image.
    """

    workers: int
    images_per_second: float
    ratio: float
    client_us: float
    scheduler_us: float


@dataclass(frozen=True)
class Spread:
    """What was measured: ways that took turns, `rounds` times, with so many images each time."""

    machine: str
    images: int
    model: str
    rounds: int
    ways: tuple[Way, ...]


def measure() -> Spread:
    """Measure all of it."""
    machine = f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores, {os.getloadavg()[0]:.1f} processes busy before it began"
    model = read_model_file(Path(MODEL))
    job = Job(model, model.sha256, find_backend().name)
    with TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        np.save(folder / "images.npy", np.tile(load_dataset().x_test, (IMAGES // 10_000, 1, 1)))
        (folder / "1").mkdir()
        (folder / "2").mkdir()
        clusters = {count: stack.enter_context(local_cluster(folder / str(count), count)) for count in (1, 2)}
        ways = {0: lambda: _alone(job, folder), **{count: _by(job, folder, real, count) for count, real in clusters.items()}}
        turns: dict[int, list[Turn]] = {count: [] for count in ways}
        for number in range(ROUNDS + 1):
            for count, way in ways.items():
                turn = way()
                if number:  # the first round loads the model
                    turns[count].append(turn)
    return spread(f"{machine}; dask {version('dask')}, Python {platform.python_version()}", turns)


def _alone(job: Job, folder: Path) -> Turn:
    before, started = time.process_time(), time.perf_counter()
    plan = make_plan([str(folder / "images.npy")], sys.stdin.buffer)
    with (
        open_table(folder / "answers.csv", job.model.labels, force=True) as written,
        run_batches.run_locally(job, plan) as answered,
    ):
        _write(written, answered)
    return Turn(time.perf_counter() - started, time.process_time() - before, 0)


def _by(job: Job, folder: Path, real: Cluster, workers: int) -> Callable[[], Turn]:
    from dask.distributed import Client

    with Client(real.address) as client:
        until(lambda: len(client.nthreads()) == workers)

    def turn() -> Turn:
        before, scheduler, started = time.process_time(), processor_seconds(real.scheduler.pid), time.perf_counter()
        plan = make_plan([str(folder / "images.npy")], sys.stdin.buffer)
        written = open_table(folder / "answers.csv", job.model.labels, force=True)
        with written as rows, run_batches.run_on_workers(job, plan, real.address) as answered:
            _write(rows, answered)
        wall, client = time.perf_counter() - started, time.process_time() - before
        return Turn(wall, client, processor_seconds(real.scheduler.pid) - scheduler)

    return turn


def _write(written: Table, answered: run_batches.PredictedChunks) -> None:
    tally = run_batches.write_all(written, answered, print, lambda _: None)
    if (tally.images, tally.failed) != (IMAGES, 0):
        raise RuntimeError(f"{tally} of {IMAGES:,} images")


def spread(machine: str, turns: dict[int, list[Turn]]) -> Spread:
    """Medians of the turns."""
    return Spread(machine, IMAGES, MODEL, ROUNDS, tuple(_way(count, found, turns[1]) for count, found in turns.items()))


def _way(workers: int, turns: list[Turn], one: list[Turn]) -> Way:
    ratio = median(other.wall / turn.wall for turn, other in zip(turns, one, strict=True))
    client, scheduler = (1e6 * median(getattr(turn, who) for turn in turns) / IMAGES for who in ("client", "scheduler"))
    return Way(workers, IMAGES / median(turn.wall for turn in turns), ratio, client, scheduler)


def main() -> None:
    """Measure, and write or print."""
    write_or_print(measure(), RESULT)


if __name__ == "__main__":
    # Run as a module this file is __main__; workers find its functions under its own name.
    importlib.import_module("tools.studies.device.run_batches").main()
