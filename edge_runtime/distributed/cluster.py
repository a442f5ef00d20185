"""Run functions on the workers of a dask.distributed scheduler, or on a pool of this machine's cores.

The only module that imports dask. Experiments, search and bulk classification submit functions here and get their outcomes.
"""

import gc
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import dask
from dask.distributed import Client, Future, LocalCluster, as_completed
from distributed.scheduler import KilledWorker

from edge_runtime.distributed.machines import Requirements, WorkersLost
from edge_runtime.errors import BadArgument, DigitsError

CONNECT_SECONDS = 20  # timeout for the scheduler
WORKER_SECONDS = 20  # timeout for the first worker, and after the last one has left
POLL_SECONDS = 2
ALLOWED_DEATHS = 3  # a task is retried after its worker died, up to this often
_SETTINGS = {
    "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
    "distributed.scheduler.worker-saturation": 1.0,  # queue calls at the scheduler, not at workers
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # `share` sends data sets on purpose
}


@contextmanager
def connect(requirements: Requirements, scheduler: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """A client of the scheduler at `scheduler`, or of a local one with a worker process per core.

    Args:
        requirements: versions that the scheduler's workers must share with this machine.
        scheduler: address such as tcp://host:8786.
        workers: number of local worker processes, each with one thread, if no scheduler is given; None for one per core.

    Raises:
        BadArgument: `scheduler` is no address.
        DigitsError: no scheduler answers, it has no workers, or a worker has other versions than this machine.
    """
    # A former client stops its event loop when it is garbage-collected. If that happened while the next loop starts, which holds the same
    # lock, both would deadlock.
    gc.collect()
    with dask.config.set(_SETTINGS), _silence():
        if scheduler:
            with _client(scheduler, requirements) as client:
                yield client
        else:
            workers = workers or len(os.sched_getaffinity(0))
            with TemporaryDirectory(prefix="digits-") as folder, _pool(workers, folder) as pool, Client(pool) as client:
                yield client


def share(client: Client, value: Any) -> Future:
    """Send a large value once, as an argument of many calls; workers pass it on to each other.

    Unlike with `client.scatter`, the value survives the workers that hold it.
    """
    return client.submit(same, value, key=f"shared-{os.urandom(8).hex()}", pure=False)


def same(value: Any) -> Any:
    """Return the value. As a task, which the scheduler can run again, it cannot be lost."""
    return value


def worker_count(client: Client) -> int:
    """The current number of worker processes; 0 if the scheduler does not answer."""
    try:
        return len(client.nthreads())
    except OSError:
        return 0


def outcomes(client: Client, function: Callable[..., Any], calls: Mapping[str, tuple[Any, ...]]) -> Iterator[tuple[str, Any]]:
    """Run `function(*arguments)` for each of `calls` on the workers, started in the order of `calls`.

    Args:
        client: from `connect`.
        function: importable on the workers; takes at least one argument.
        calls: arguments by the name of the call. Large ones should come from `share`.

    Yields:
        (name, result) in the order of completion; the result of a failed call is its exception.

    Raises:
        DigitsError: the scheduler has gone.
    """
    if not calls:
        return
    names, columns = list(calls), [list(column) for column in zip(*calls.values(), strict=True)]
    token = f"digits-{os.urandom(8).hex()}"
    # The scheduler hands out a group of tasks one by one, in order; single tasks it would distribute to all workers at once.
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
    """As `outcomes`, but each call is taken from `calls` only when a worker is free, so it may depend on earlier outcomes."""
    running: dict[Future, tuple[str, str | None]] = {}  # name of the call, and its preferred worker
    waiting = as_completed()

    def fill() -> None:
        taken = {worker for _, worker in running.values()}
        free = [worker for worker in client.nthreads() if worker not in taken]
        if not free and not running:
            free = [None]  # all workers are restarting: the first one
        # Without a preferred worker, the scheduler would queue calls where shared data is already.
        for worker, (name, arguments) in zip(free, calls):  # noqa: B905  # in this order, so that no call is taken in vain
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


def outcomes_in_order(
    client: Client, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], each: int = 3
) -> Iterator[Any]:
    """As `outcomes`, but in the order of `calls`, with at most `each` pending calls per worker, which bounds memory.

    Raises:
        DigitsError: the scheduler has gone, or no worker was left for 20 s.
    """
    token, running = f"digits-{os.urandom(8).hex()}", deque[Future]()
    again: dict[str, Callable[[], Future]] = {}
    try:
        for number, call in enumerate(calls):
            key = f"{token}-{number}"
            again[key] = partial(client.submit, function, *call, key=f"{key}-again", pure=False)
            running.append(client.submit(function, *call, key=key, pure=False))
            if len(running) >= each * max(1, worker_count(client)):
                yield _oldest(client, running, again)
        while running:
            yield _oldest(client, running, again)
    finally:
        if client.status == "running":
            client.cancel(list(running))


def _oldest(client: Client, running: deque[Future], again: dict[str, Callable[[], Future]]) -> Any:
    """Wait for the outcome of the first call, and for workers to come back, up to 20 s.

    When a worker dies, dask blames all calls on it. So one of several blamed calls is retried by itself.
    """
    alone_since = None
    while not running[0].done():
        with suppress(TimeoutError):
            running[0].exception(timeout=POLL_SECONDS)
            break
        alone_since = None if worker_count(client) else alone_since or time.monotonic()
        if alone_since and time.monotonic() - alone_since > WORKER_SECONDS:
            raise DigitsError(
                f"the scheduler has had no workers for {WORKER_SECONDS} s; see the workers' logs, and start them again"
            )
    future = running.popleft()
    retry = again.pop(future.key, None)
    if retry and _killed(future) and any(_killed(other) for other in running):
        running.appendleft(retry())
        future.release()
        return _oldest(client, running, again)
    outcome = _outcome(future)
    future.release()
    return outcome


def _killed(future: Future) -> bool:
    return bool(future.status == "error") and isinstance(future.exception(), KilledWorker)


def _outcome(future: Future) -> Any:
    if future.cancelled():  # by the scheduler: `outcomes` cancels only when it ends
        raise DigitsError("the scheduler has gone or has dropped the work; finished results are kept, so run the command again")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return WorkersLost(f"ended {error.allowed_failures + 1} workers in a row; check the memory of the workers")
    return error if error is not None else future.result()


def _pool(workers: int, folder: str) -> LocalCluster:
    with _ignoring_interrupts():
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},  # the default port may be in use
            memory_limit=0,  # dask cannot manage TensorFlow's memory
            local_directory=folder,
            silence_logs="CRITICAL",
        )


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Let child processes that are started in the block ignore Ctrl-C; this process ends them."""
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
    """Silence dask's log; outcomes and errors are reported."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _client(scheduler: str, requirements: Requirements) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except OSError as error:
        raise DigitsError(f"no dask scheduler answers at {scheduler} ({error}); start one with: dask scheduler") from error
    except (ValueError, TypeError) as error:
        raise BadArgument(f"scheduler is {scheduler!r}, expected an address such as tcp://host:8786 ({error})") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise DigitsError(
                f"the scheduler at {scheduler} has no workers; start some with: dask worker {scheduler} --nthreads 1"
            ) from error
        requirements.check_workers(client)
        yield client
