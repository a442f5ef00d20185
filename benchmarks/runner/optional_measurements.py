"""What a run measures besides latency: accuracy, MLPerf LoadGen, and sustained load. A failure is reported and leaves the latencies."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.results import OURS as OUR_WAY
from benchmarks.results.results import Window, stored_label
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.worker_pool import WorkerPool
from benchmarks.scenarios.loadgen import LoadGenModel, LoadGenScenario
from benchmarks.scenarios.sustained import sustain
from edge_runtime.common.intervals import Accuracy, accuracy_of
from edge_runtime.errors import DigitsError
from edge_runtime.model.recipe_names import short_recipe
from train.data import Split


class OptionalMeasurements:
    """Accuracy on a split's images, LoadGen's scenarios and sustained load, each where it was asked for.

    Attributes:
        accuracies, sustained: by case.
        absent: what failed, and why.
    """

    def __init__(self, settings: Settings, split: Split | None, folder: Path, loadgen: LoadGenScenario | None) -> None:
        """Prepare them; `folder` is for files that workers read."""
        self._settings, self._split, self._folder = settings, split, folder
        self._loadgen = loadgen
        self.accuracies: dict[Case, Accuracy] = {}
        self.sustained: dict[Case, list[Window]] = {}
        self.absent: list[str] = []

    def run(self, pool: WorkerPool, cases: Sequence[Case], process: int, step: Callable[[str], None]) -> None:
        """Measure everything but SingleStream, after the last turn."""
        for case in cases:
            self._measure(pool, case, "accuracy", partial(self._accuracy, pool, case))
            step("accuracy")
        self._run_loadgen(pool, cases, lambda scenario, models: scenario.several(models, process))
        if (split := self._split) is not None:
            images = self._test_images(split.images)
            self._run_loadgen(pool, cases, lambda scenario, models: scenario.accuracies(models, process, split, images))
        for case in cases:
            self._measure(pool, case, "sustained load", partial(self._sustain, pool, case, process, step))

    def single_stream(self, pool: WorkerPool, cases: Sequence[Case], process: int, queries: int) -> None:
        """LoadGen's SingleStream scenario, amid the turns of a process."""
        self._run_loadgen(pool, cases, lambda scenario, models: scenario.single_stream(models, process, queries))

    def _measure(self, pool: WorkerPool, case: Case, what: str, work: Callable[[], None]) -> None:
        try:
            work()
        except (DigitsError, ValueError) as error:
            self.absent.append(f"{what} of {case.model.name} {short_recipe(case.recipe)} by {case.way}: {error}")
            _restart(pool, case)

    def _accuracy(self, pool: WorkerPool, case: Case) -> None:
        if self._split:
            classes = pool.backend(case).classify(self._test_images(self._split.images))
            self.accuracies[case] = accuracy_of(np.asarray(classes), self._split.labels)

    def _sustain(self, pool: WorkerPool, case: Case, process: int, step: Callable[[str], None]) -> None:
        windows = self.sustained.setdefault(case, [])
        for window in sustain(pool.backend(case), self._settings.sustained, process, pool.process_ids):
            windows.append(window)
            step("sustained")

    def _run_loadgen(
        self, pool: WorkerPool, cases: Sequence[Case], run: Callable[[LoadGenScenario, list[LoadGenModel]], None]
    ) -> None:
        """Run a part of LoadGen with our classifier's cases; after a failure LoadGen is not run again."""
        ours = [case for case in cases if case.way == OUR_WAY]
        if self._loadgen is None or not ours:
            return
        try:
            models = [
                LoadGenModel(stored_label(case.model.name, case.recipe), case.model.labels, pool.backend(case)) for case in ours
            ]
            run(self._loadgen, models)
        except (DigitsError, ValueError) as error:
            self._loadgen = None
            self.absent.append(f"MLPerf LoadGen: {error}")
            _restart(pool, ours[0])

    def _test_images(self, images: NDArray[np.uint8]) -> Path:
        path = self._folder / "test.npy"
        if not path.exists():
            np.save(path, images)
        return path


def _restart(pool: WorkerPool, case: Case) -> None:
    """Start a new worker for what follows; if that fails, what follows reports it."""
    with suppress(DigitsError):
        pool.restart(case, without=False)
