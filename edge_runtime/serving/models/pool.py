"""Interpreters of a model: one on the event loop for short work, others on worker threads for long work.

Passing 784 bytes to a thread and back takes longer than a small model's inference (measured in docs/serving.md), so a request whose images
take less than a millisecond together is classified on the event loop.
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
_LONG_BODY = 2**15  # of JSON: some milliseconds of a Raspberry Pi
_TRIALS = 100
_MAX_SLOW = 2  # slow trials of 100 that make the 99th percentile slow


class WorkerThreads:
    """Worker threads. `pending`: how many calls wait for a thread or run on one."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="digits")
        self.pending = 0

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function on one of the threads."""
        self.pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        finally:
            self.pending -= 1

    async def parse(self, function: Callable[..., T], body: bytes, *arguments: object) -> T:
        """Call a function with a body, on one of the threads if the body is long."""
        if len(body) > _LONG_BODY:
            return await self.run(function, body, *arguments)
        return function(body, *arguments)

    def close(self) -> None:
        """End the threads after their current calls."""
        self._threads.shutdown()


class InterpreterPool:
    """The interpreters of one model, to be called on the event loop.

    Attributes:
        each_ns: nanoseconds of one image, the 99th percentile of trials at loading.
    """

    def __init__(self, first: Classifier, workers: WorkerThreads, load: Callable[[ModelFile], Classifier]) -> None:
        """Use `first` on the event loop, and `load` more classifiers for the threads."""
        self.model = first.model
        self._first = first
        self._workers = workers
        self._load = load
        self._idle: deque[Classifier] = deque()
        self.each_ns = time_one(first)
        if not self.is_inline(1):  # then the event loop never uses it
            self._idle.append(first)

    def is_inline(self, count: int) -> bool:
        """Whether so many images are classified on the event loop itself."""
        return count * self.each_ns < INLINE_NS

    async def classify(self, images: Batch) -> tuple[Classifications, int]:
        """Classify uint8 [N, 28, 28]; also return the nanoseconds of the inference.

        Raises:
            ImageError: `images` has another dtype or shape.
        """
        if self.is_inline(len(images)):
            return _timed(self._first, images)
        return await self._workers.run(self._on_thread, images)

    async def classify_everywhere(self, images: Batch) -> list[Classifications]:
        """Classify uint8 [N, 28, 28] with every idle interpreter.

        Raises:
            ImageError: `images` has another dtype or shape.
        """
        found, minimum = [], 1
        if self.is_inline(1):
            minimum = 0
            for image in images:  # one at a time, so that requests are answered in between
                found.append(self._first.classify_batch(image[None]))
                await asyncio.sleep(0)
            outputs = np.concatenate([part.outputs for part in found])
            found = [replace(found[0], indices=outputs.argmax(axis=1), outputs=outputs)]
        return found + await self._workers.run(self._classify_idle, images, minimum)

    def _classify_idle(self, images: Batch, minimum: int) -> list[Classifications]:
        """On a worker thread: the results of each idle interpreter of the threads, at least `minimum`."""
        found = []
        for _ in range(max(minimum, len(self._idle))):
            found.append(self._on_thread(images)[0])
            self._idle.rotate(1)  # so that the next one is used next
        return found

    def _on_thread(self, images: Batch) -> tuple[Classifications, int]:
        return self.with_interpreter(lambda classifier: _timed(classifier, images))

    def with_interpreter(self, function: Callable[[Classifier], T]) -> T:
        """Call a function, on any thread but the event loop's, with an interpreter that no other thread uses meanwhile."""
        # Both ends of a deque are thread-safe; there are never more classifiers than threads.
        try:
            classifier = self._idle.pop()
        except IndexError:
            classifier = self._load(self.model)
        try:
            return function(classifier)
        finally:
            self._idle.append(classifier)


def time_one(classifier: Classifier) -> int:
    """Nanoseconds of one image: the 99th percentile of 100 trials, or of fewer once it is certainly over `INLINE_NS`.

    Measures this thread's processor time, so that a model reloaded under load does not count as slow; wall time if the interpreter has
    several threads.
    """
    images, clock = classifier.model.golden().images, time.thread_time_ns if classifier.threads == 1 else time.perf_counter_ns
    times: list[int] = []
    while len(times) < _TRIALS and sum(taken >= INLINE_NS for taken in times) < _MAX_SLOW:
        before = clock()
        classifier.classify(images[len(times) % len(images)])
        times.append(clock() - before)
    return sorted(times)[-_MAX_SLOW]


def _timed(classifier: Classifier, images: Batch) -> tuple[Classifications, int]:
    before = time.perf_counter_ns()
    found = classifier.classify_batch(images)
    return found, time.perf_counter_ns() - before
