"""Functions on many machines: the workers of a dask.distributed scheduler, or a pool of this machine's cores.

The only module that imports dask. Whatever runs many trainings (experiments, search) hands functions to it and gets outcomes back, so there
is one way to use many machines, and this machine alone is just the smallest of them.
"""

import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import dask
from dask.distributed import Client, Future, LocalCluster, as_completed
from distributed.scheduler import KilledWorker

from edge_runtime.errors import BadArgument, DigitsError
from train.versions import installed_versions

CONNECT_SECONDS = 20
# A worker that dies while it runs a task costs that task a retry; a task that has taken more workers than this with it is given up.
ALLOWED_DEATHS = 3
_SETTINGS = {
    "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
    "distributed.scheduler.worker-saturation": 1.0,  # a call waits at the scheduler, not behind another one at a worker
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # `share` sends data sets, and means it
}


@contextmanager
def connect(scheduler: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """A client of the scheduler at `scheduler`, or of one that is started here with a worker process for each core.

    Args:
        scheduler: address such as tcp://host:8786.
        workers: how many worker processes to start here, if no scheduler is given; None for one a core. Each computes with one thread.

    Raises:
        BadArgument: `scheduler` is no address.
        DigitsError: nobody answers there, it has no workers, or a worker has other versions of this package or TensorFlow.
    """
    # An earlier client of this process, closed or not, stops its loop when it is collected. Were that while the next loop starts, which
    # holds the same lock, both would wait for ever.
    gc.collect()
    with dask.config.set(_SETTINGS), _silence():
        if scheduler:
            with _client(scheduler) as client:
                yield client
        else:
            workers = workers or len(os.sched_getaffinity(0))
            with TemporaryDirectory(prefix="digits-") as folder, _pool(workers, folder) as pool, Client(pool) as client:
                yield client


def share(client: Client, value: Any) -> Future:
    """Send a large value to the scheduler once, to be named among the arguments of many calls; workers pass it on to each other.

    Unlike what `client.scatter` sends, it outlives the workers that hold it.
    """
    return client.submit(same, value, key=f"shared-{os.urandom(8).hex()}", pure=False)


def same(value: Any) -> Any:
    """What was given, as a task: the scheduler can run it again, so the value cannot be lost."""
    return value


def worker_count(client: Client) -> int:
    """How many worker processes there are at this moment; none if the scheduler does not answer."""
    try:
        return len(client.nthreads())
    except OSError:
        return 0


def outcomes(client: Client, function: Callable[..., Any], calls: Mapping[str, tuple[Any, ...]]) -> Iterator[tuple[str, Any]]:
    """Run `function(*arguments)` for each of `calls` on the workers, begun in the order of `calls`.

    Args:
        client: from `connect`.
        function: importable on the workers by its name; takes at least one argument.
        calls: arguments by the name of the call. Large ones should come from `share`.

    Yields:
        (name, result) as calls end, in whatever order; the result is the exception for a call that failed.

    Raises:
        DigitsError: the scheduler has gone.
    """
    if not calls:
        return
    names, columns = list(calls), [list(column) for column in zip(*calls.values(), strict=True)]
    token = f"digits-{os.urandom(8).hex()}"
    # One group of tasks: those the scheduler hands out one by one, in order; single ones it would deal to all workers at once.
    futures = client.map(function, *columns, key=[(token, place) for place in range(len(names))], pure=False)
    try:
        for future in as_completed(futures):
            yield names[future.key[1]], _outcome(future)
            future.release()
    finally:
        if client.status == "running":
            client.cancel(futures)


def outcomes_in_turn(
    client: Client, function: Callable[..., Any], calls: Iterator[tuple[str, tuple[Any, ...]]]
) -> Iterator[tuple[str, Any]]:
    """As `outcomes`, but each call is asked for only when a worker is free for it, so it may depend on what came out before."""
    running: dict[Future, tuple[str, str | None]] = {}  # name of the call, and the worker that it was meant for
    waiting = as_completed()

    def fill() -> None:
        taken = {worker for _, worker in running.values()}
        free = [worker for worker in client.nthreads() if worker not in taken]
        if not free and not running:
            free = [None]  # all workers are starting anew at this moment: whoever comes first
        # The scheduler alone would rather let calls wait where shared data is already.
        for worker, (name, arguments) in zip(free, calls):  # noqa: B905  # in this order, so that no call is asked for in vain
            key = f"{name}-{os.urandom(8).hex()}"
            future = client.submit(
                function, *arguments, key=key, pure=False, workers=worker, allow_other_workers=worker is not None
            )
            running[future] = name, worker
            waiting.add(future)

    try:
        fill()
        for future in waiting:
            yield running.pop(future)[0], _outcome(future)
            future.release()
            fill()
    finally:
        if client.status == "running":
            client.cancel(list(running))


def _outcome(future: Future) -> Any:
    if future.cancelled():  # not by us: `outcomes` cancels when nobody asks any more
        raise DigitsError("the scheduler has gone or has dropped the work; what is finished stays")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return DigitsError(f"took {error.allowed_failures + 1} workers with it, one after the other; is there enough memory?")
    return error if error is not None else future.result()


def _pool(workers: int, folder: str) -> LocalCluster:
    with _deaf_children():
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},  # the usual port is another program's
            memory_limit=0,  # TensorFlow's memory is not dask's to manage
            local_directory=folder,
            silence_logs="CRITICAL",
        )


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Start processes that Ctrl-C in a terminal, which goes to all of them, does not reach: this one ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep dask's log off the screen: what matters of it comes back as outcomes and errors."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except OSError as error:
        raise DigitsError(f"no dask scheduler answers at {scheduler} ({error}); start one with: dask scheduler") from error
    except (ValueError, TypeError) as error:
        raise BadArgument(f"scheduler is {scheduler!r}, expected an address such as tcp://host:8786 ({error})") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise DigitsError(
                f"the scheduler at {scheduler} has no workers; start some with: dask worker {scheduler} --nthreads 1"
            ) from error
        _refuse_other_versions(client)
        yield client


def _refuse_other_versions(client: Client) -> None:
    """Trainings of two versions must not end in one table."""
    ours = installed_versions()
    for address, found in client.run(installed_versions, on_error="return").items():
        if isinstance(found, OSError):
            continue  # a worker that has just gone
        if isinstance(found, Exception):
            raise DigitsError(f"worker {address} lacks edge-digits with its train extra ({found}); install it on all machines")
        for name in ours:
            if found[name] != ours[name]:
                raise DigitsError(
                    f"worker {address} has {name} {found[name]}, this is {ours[name]}; install the same on all machines"
                )
