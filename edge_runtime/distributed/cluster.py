"""Functions on many machines: the workers of a dask.distributed scheduler, or a pool of this machine's cores.

The only module that imports dask. Whatever has much to do (experiments, search, millions of images) hands functions to it and gets outcomes
back, so there is one way to use many machines, and this machine alone is just the smallest of them.
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

CONNECT_SECONDS = 20  # until a scheduler answers
WORKER_SECONDS = 20  # until there is a worker, at the start and after the last one has gone
LOOK_SECONDS = 2
# A worker that dies while it runs a task costs that task a retry; a task that has taken more workers than this with it is given up.
ALLOWED_DEATHS = 3
_SETTINGS = {
    "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
    "distributed.scheduler.worker-saturation": 1.0,  # a call waits at the scheduler, not behind another one at a worker
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # `share` sends data sets, and means it
}


@contextmanager
def connect(alike: Requirements, scheduler: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """A client of the scheduler at `scheduler`, or of one that is started here with a worker process for each core.

    Args:
        alike: what workers behind a scheduler must have in the versions of this machine.
        scheduler: address such as tcp://host:8786.
        workers: how many worker processes to start here, if no scheduler is given; None for one a core. Each computes with one thread.

    Raises:
        BadArgument: `scheduler` is no address.
        DigitsError: nobody answers there, it has no workers, or a worker has other versions than this machine.
    """
    # An earlier client of this process, closed or not, stops its loop when it is collected. Were that while the next loop starts, which
    # holds the same lock, both would wait for ever.
    gc.collect()
    with dask.config.set(_SETTINGS), _silence():
        if scheduler:
            with _client(scheduler, alike) as client:
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


def outcomes_in_order(
    client: Client, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], each: int = 3
) -> Iterator[Any]:
    """As `outcomes`, in the order of `calls`, of which no more than `each` for a worker are asked for ahead of the oldest unfinished one.

    So neither this process nor the scheduler holds more than that, however many calls there are.

    Raises:
        DigitsError: the scheduler has gone, or no worker was left for a while.
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
    """The outcome of the first of them, once it is there; waits for workers to come back, but not for ever.

    Calls that were on the same workers when those died are all blamed for it. So one of several is tried once more by itself.
    """
    alone = None
    while not running[0].done():
        with suppress(TimeoutError):
            running[0].exception(timeout=LOOK_SECONDS)
            break
        alone = None if worker_count(client) else alone or time.monotonic()
        if alone and time.monotonic() - alone > WORKER_SECONDS:
            raise DigitsError(f"no worker has been left for {WORKER_SECONDS} s; what ended them?")
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
    if future.cancelled():  # not by us: `outcomes` cancels when nobody asks any more
        raise DigitsError("the scheduler has gone or has dropped the work; what is finished stays")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return WorkersLost(f"took {error.allowed_failures + 1} workers with it, one after the other; is there enough memory?")
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
def _client(scheduler: str, alike: Requirements) -> Iterator[Client]:
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
        alike.refuse_others(client)
        yield client
