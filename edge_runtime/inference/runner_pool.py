"""Run batches on several threads, each with an interpreter of its own."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.inference.runner import Runner


class RunnerPool:
    """Runners for batches. Threads may share a pool: each call uses runners of its own, and creates those that are missing."""

    def __init__(self, create: Callable[[], Runner], threads: int, batch: int) -> None:
        """Create an empty pool.

        Args:
            create: returns a runner for `batch` images.
            threads: runners that one call uses at most.
            batch: images per interpreter call.
        """
        self._create, self._threads, self._batch = create, threads, batch
        self._idle: list[Runner] = []

    def run(self, images: NDArray[np.uint8], outputs: NDArray[Any]) -> None:
        """Run images, uint8 [N, 28, 28], and write their outputs, [N, classes]."""
        starts = range(0, len(images), self._batch)

        def work(runner: Runner, own_starts: range) -> None:
            for start in own_starts:
                outputs[start : start + self._batch] = runner.run(images[start : start + self._batch])

        with self._borrowed(min(self._threads, len(starts))) as runners, ThreadPoolExecutor(len(runners)) as pool:
            futures = [pool.submit(work, runner, starts[first :: len(runners)]) for first, runner in enumerate(runners)]
            for future in futures:
                future.result()

    def stream(self, batches: Iterable[NDArray[np.uint8]]) -> Generator[NDArray[Any], None, None]:
        """Run batches as they come, and yield the outputs of each in order. At most one batch per thread is pending."""
        running = deque[tuple[Runner, "Future[NDArray[Any]]"]]()
        with self._borrowed(self._threads) as runners, ThreadPoolExecutor(self._threads) as pool:
            idle = deque(runners)

            def oldest() -> NDArray[Any]:
                runner, future = running.popleft()
                outputs = future.result()
                idle.append(runner)
                return outputs

            for batch in batches:
                if not idle:
                    yield oldest()
                runner = idle.popleft()
                running.append((runner, pool.submit(runner.run, batch)))
            while running:
                yield oldest()

    @contextmanager
    def _borrowed(self, count: int) -> Iterator[list[Runner]]:
        """Take `count` runners for this call alone."""
        runners: list[Runner] = []
        try:
            while len(runners) < count:
                try:
                    runners.append(self._idle.pop())  # list.pop is atomic
                except IndexError:
                    runners.append(self._create())
            yield runners
        finally:
            self._idle += runners
