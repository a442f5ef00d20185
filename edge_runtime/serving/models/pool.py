"""Interpreters that answer requests: one on the event loop for what is quick, others on worker threads for what is not.

Handing 784 bytes to a thread and its answer back costs more than a small model needs (docs/serving.md has the measurement), so a request
whose images take under a millisecond together is answered at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np

from edge_runtime.common.pixels import Batch
from edge_runtime.inference.classifier import Classifications, Classifier
from edge_runtime.model.model_file import ModelFile

T = TypeVar("T")
INLINE_NS = 1_000_000
_TRIALS = 100
_TOO_SLOW = 2  # of the trials: then the 99th percentile is too


class WorkerThreads:
    """Threads, and how many calls wait for them or run on them."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="digits")
        self.pending = 0

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """The result of a call on one of the threads."""
        self.pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        finally:
            self.pending -= 1

    def close(self) -> None:
        """End the threads once what they do is done."""
        self._threads.shutdown()


class InterpreterPool:
    """The interpreters of one model. `classify` is for the event loop's thread.

    Attributes:
        each_ns: nanoseconds that an image takes, the 99th percentile of trials at loading.
    """

    def __init__(self, first: Classifier, workers: WorkerThreads, load: Callable[[ModelFile], Classifier]) -> None:
        """Take a loaded classifier for the event loop, and a way to load more for the threads."""
        self.model = first.model
        self._first = first
        self._workers = workers
        self._load = load
        self._idle: deque[Classifier] = deque()
        self.each_ns = time_one(first)

    def is_inline(self, count: int) -> bool:
        """Whether so many images are answered on the event loop itself."""
        return count * self.each_ns < INLINE_NS

    async def classify(self, images: Batch) -> tuple[Classifications, int]:
        """Answers to uint8 [N, 28, 28], and the nanoseconds that the interpreter took for them.

        Raises:
            ImageError: it is no such array.
        """
        if self.is_inline(len(images)):
            return _timed(self._first, images)
        return await self._workers.run(self._on_thread, images)

    async def classify_everywhere(self, images: Batch) -> list[Classifications]:
        """Answers to uint8 [N, 28, 28] by each interpreter that answers requests and is not at work.

        Raises:
            ImageError: it is no such array.
        """
        found, least = [], 1
        if self.is_inline(1):
            least = 0
            for image in images:  # one at a time, so that requests come in between
                found.append(self._first.classify_batch(image[None]))
                await asyncio.sleep(0)
            outputs = np.concatenate([part.outputs for part in found])
            found = [replace(found[0], indices=outputs.argmax(axis=1), outputs=outputs)]
        return found + await self._workers.run(self._idle_ones, images, least)

    def _idle_ones(self, images: Batch, least: int) -> list[Classifications]:
        """On a thread: the answers of each of the threads' interpreters, of so many at least."""
        found = []
        for _ in range(max(least, len(self._idle))):
            found.append(self._on_thread(images)[0])
            self._idle.rotate(1)  # so that the next one is another
        return found

    def _on_thread(self, images: Batch) -> tuple[Classifications, int]:
        # A deque's ends are safe between threads; there are never more classifiers than threads.
        try:
            classifier = self._idle.pop()
        except IndexError:
            classifier = self._load(self.model)
        try:
            return _timed(classifier, images)
        finally:
            self._idle.append(classifier)


def time_one(classifier: Classifier) -> int:
    """Nanoseconds of one image: the 99th percentile of 100 trials; fewer if it is plain that it is over `INLINE_NS`.

    Counts this thread's processor time, so that a model which is reloaded under load is not taken for a slow one; of an interpreter with
    more threads, the time that passes.
    """
    images, clock = classifier.model.golden().images, time.thread_time_ns if classifier.threads == 1 else time.perf_counter_ns
    times: list[int] = []
    while len(times) < _TRIALS and sum(taken >= INLINE_NS for taken in times) < _TOO_SLOW:
        before = clock()
        classifier.classify(images[len(times) % len(images)])
        times.append(clock() - before)
    return sorted(times)[-_TOO_SLOW]


def _timed(classifier: Classifier, images: Batch) -> tuple[Classifications, int]:
    before = time.perf_counter_ns()
    found = classifier.classify_batch(images)
    return found, time.perf_counter_ns() - before
