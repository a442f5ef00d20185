"""What a run measures besides latency: golden images, accuracy, photos, MLPerf LoadGen, and sustained load.

A failure is reported and leaves the latencies.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.results import OURS as OUR_WAY
from benchmarks.results.results import GoldenCheck, Turn, Window, stored_label
from benchmarks.runner.accuracy import images_of, stated_accuracy, stated_images
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.worker_pool import WorkerPool
from benchmarks.scenarios.loadgen import LoadGenModel, LoadGenScenario
from benchmarks.scenarios.sustained import sustain
from edge_runtime.common.intervals import Accuracy, accuracy_of
from edge_runtime.errors import DigitsError
from edge_runtime.model.recipe_names import short_recipe
from train.data import Split

PHOTO = "photo.jpg"
_PHOTO_SAMPLES = 3  # of each process: a photo takes a small board some tenths of a second


class OptionalMeasurements:
    """Accuracy on a split's images or as stated, photos, LoadGen's scenarios and sustained load.

    Attributes:
        accuracies, golden, photos, sustained: by case.
        absent: what failed, and why.
    """

    def __init__(self, settings: Settings, split: Split | None, folder: Path, loadgen: LoadGenScenario | None) -> None:
        """Prepare them; `folder` is for files that workers read, and has `PHOTO`."""
        self._settings, self._split, self._folder = settings, split, folder
        self._loadgen = loadgen
        self.accuracies: dict[Case, Accuracy] = {}
        self.golden: dict[Case, GoldenCheck] = {}
        self.photos: dict[Case, list[Turn]] = {}
        self.sustained: dict[Case, list[Window]] = {}
        self.absent: list[str] = []

    def run(self, pool: WorkerPool, cases: Sequence[Case], process: int, step: Callable[[str], None]) -> None:
        """Measure everything but SingleStream, after the last turn."""
        for case in cases:
            self._measure(pool, case, "golden images", partial(self._run_golden, pool, case))
            self._measure(pool, case, "accuracy", partial(self._accuracy, pool, case, stated_images(cases)))
            step("accuracy")
        self._run_loadgen(pool, cases, lambda scenario, models: scenario.several(models, process))
        if (split := self._split) is not None:
            images = self._test_images(split.images)
            self._run_loadgen(pool, cases, lambda scenario, models: scenario.accuracies(models, process, split, images))
        for case in cases:
            self._measure(pool, case, "sustained load", partial(self._sustain, pool, case, process, step))

    def time_photos(self, pool: WorkerPool, cases: Sequence[Case], process: int, share: int) -> None:
        """The way from a photo file to a label, after the turns of a process: what reads photos would change the state of the others."""
        for case in cases if self._settings.photos else ():
            if case.way == OUR_WAY and (process == 0 or case in self.photos):  # what failed once is not tried again
                self._measure(pool, case, "photos", partial(self._time_photos, pool, case, process, min(_PHOTO_SAMPLES, share)))

    def single_stream(self, pool: WorkerPool, cases: Sequence[Case], process: int, queries: int) -> None:
        """LoadGen's SingleStream scenario, amid the turns of a process."""
        self._run_loadgen(pool, cases, lambda scenario, models: scenario.single_stream(models, process, queries))

    def _measure(self, pool: WorkerPool, case: Case, what: str, work: Callable[[], None]) -> None:
        try:
            work()
        except (DigitsError, ValueError) as error:
            self._report(case, what, str(error))
            _restart(pool, case)

    def _report(self, case: Case, what: str, why: str) -> None:
        self.absent.append(f"{what} of {case.model.name} {short_recipe(case.recipe)} by {case.way}: {why}")

    def _run_golden(self, pool: WorkerPool, case: Case) -> None:
        if case.way == OUR_WAY and case.model.manifest:
            found = pool.backend(case).golden()
            self.golden[case] = GoldenCheck(found.equal, found.images, found.passed)

    def _accuracy(self, pool: WorkerPool, case: Case, images: str) -> None:
        """Measured on the split's images; without any, as the manifest states it, if the golden images confirm it here."""
        if self._split:
            classes = pool.backend(case).classify(self._test_images(self._split.images))
            self.accuracies[case] = accuracy_of(np.asarray(classes), self._split.labels)
        elif stated := stated_accuracy(case):
            golden = self.golden.get(case)  # None if it failed, which has been reported
            if images_of(case) != images:
                self._report(case, "accuracy", "its manifest states it for other images than the first model's; give --data")
            elif golden and golden.passed:
                self.accuracies[case] = stated
            elif golden:
                self._report(case, "accuracy", "the manifest's does not hold here, since golden images differ; run digits verify")

    def _time_photos(self, pool: WorkerPool, case: Case, process: int, samples: int) -> None:
        turns = self.photos.pop(case, [])
        found = pool.backend(case).time_photos(self._folder / PHOTO, samples)
        turn = Turn(process, 0, 1, 1, found.dropped, found.preempted, tuple(found.samples_ns))
        self.photos[case] = [*turns, turn]

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
