"""A dask scheduler and workers on this machine, each a process of its own, as a cluster has them: for measuring and for tests."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.support.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Cluster:
    """A scheduler's address, its process, and those of its workers by name."""

    address: str
    scheduler: Process
    workers: dict[str, Process]


@contextmanager
def local_cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """A scheduler on a free port and its workers, which are there, without a guardian process; all are gone at the end.

    Writes to `folder`.
    """
    said = folder / "scheduler.json"
    options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--local-directory", folder)
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", said)
        )
        until(said.exists)
        address = json.loads(until(said.read_text))["address"]
        names = [f"worker{number}" for number in range(workers)]
        processes = {name: stack.enter_context(dask("worker", address, "--name", name, *options)) for name in names}
        if workers:
            _wait_for_workers(address, workers)
        yield Cluster(address, scheduler, processes)


def _wait_for_workers(address: str, count: int) -> None:
    from dask.distributed import Client

    with Client(address, timeout=PATIENCE) as client:
        client.wait_for_workers(count, timeout=PATIENCE)
    del client
    gc.collect()  # as in cluster.connect: what is left of this client must not stop its loop while the next one starts


@contextmanager
def dask(*words: object) -> Iterator[Process]:
    """A `dask` command as a process of its own, which is killed at the end. It finds this checkout wherever it runs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dask", *map(str, words)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


def processor_seconds(process: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
