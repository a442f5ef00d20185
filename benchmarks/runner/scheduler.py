"""The turns of a benchmark run: all its processes, one after the other, and what is asked of them."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.results import OURS as OUR_WAY
from benchmarks.results.results import Condition, Prefix, Start, Sweep, Turn, Window
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.operators import measure_layers
from benchmarks.runner.worker_pool import WorkerPool
from benchmarks.scenarios.loadgen import LoadGenModel, LoadGenScenario
from benchmarks.scenarios.sustained import sustain
from benchmarks.system.monitor import Watch
from edge_runtime.common.intervals import Accuracy, accuracy_of
from edge_runtime.errors import DigitsError
from edge_runtime.inference.interpreter import find_backend
from train.data import Split

_LATENCY_IMAGES = 256
_TURN = 50  # samples: some milliseconds of a small model, in which a machine hardly changes
_LEAST_GROUPS = 10
_SWEEP_ROUNDS, _SWEEP_SAMPLES = 2, 5  # of each process

Step = Callable[[str], None]


def rounds_of(share: int) -> int:
    """The rounds that a process needs for its share of the samples."""
    return -(-share // _TURN)


@dataclass(frozen=True)
class _Job:
    """A turn to come: of which candidate, with how many threads and images a call."""

    candidate: int
    threads: int
    batch: int
    samples: int
    group: int = 1


@dataclass(frozen=True)
class Measured:
    """What was found of one candidate."""

    starts: tuple[Start, ...]
    turns: tuple[Turn, ...]
    sweeps: tuple[Sweep, ...]
    accuracy: Accuracy | None
    sustained: tuple[Window, ...]
    layers: tuple[Prefix, ...]


class Scheduler:
    """All processes of a run, one after the other, and the turns in them.

    What is not ours and fails is left out, with a line; what comes after the turns and fails leaves a line, and the turns stay.

    Attributes:
        candidates: what is measured, the reference first.
        conditions: the machine during each process.
        clock_steps, clock_costs, empty, limits: what the children said about the clock, the harness, and the most that this machine can do.
        loadgen: MLPerf LoadGen's part, if it has one.
        absent: what failed, and why.
    """

    def __init__(
        self,
        candidates: Sequence[Case],
        settings: Settings,
        split: Split | None,
        place: Path,
        loadgen: LoadGenScenario | None,
    ) -> None:
        self.candidates, self._settings, self._split, self._place = candidates, settings, split, place
        self.loadgen = loadgen
        self._random = random.Random(settings.seed)
        self._left = dict(enumerate(candidates))
        self._starts: list[list[Start]] = [[] for _ in candidates]
        self._turns: dict[tuple[int, int, int], list[Turn]] = {}
        self._accuracies: dict[int, Accuracy] = {}
        self._sustained: dict[int, list[Window]] = {}
        self._loadgen_works = loadgen is not None
        self.absent: list[str] = []
        self.conditions: list[Condition] = []
        self.clock_steps: list[int] = []
        self.clock_costs: list[int] = []
        self.empty: list[int] = []
        self.limits: list[tuple[float, float]] = []

    def run(self, step: Step) -> dict[int, Measured]:
        """Take all turns, then whatever else was asked for; gives what was found, by the number of the candidate.

        Raises:
            DigitsError: our own classifier failed in a turn.
        """
        images = self._write("latency", self._images())
        shares = self._settings.shares()
        for process, share in enumerate(shares):
            with WorkerPool(self._left, self._settings, images, process) as crew:
                self._drop(crew.start())
                self._process(crew, process, share, step)
                if process == len(shares) - 1:
                    self._afterwards(crew, process, step)
        layers = {number: self._operators(number) for number in self._left}
        return {number: self._measured(number, layers[number]) for number in self._left}

    def _process(self, crew: WorkerPool, process: int, share: int, step: Step) -> None:
        watch = Watch(crew.process_ids)
        for number in range(rounds_of(share)):
            self._round(crew, process, number, min(_TURN, share - number * _TURN))
            if number == rounds_of(share) // 2:  # half of our turns before, half of them after
                self._ask_loadgen(crew, lambda part: part.single_stream(self._ours(crew), process, share))
            step("latency")
        self.conditions.append(watch.condition(f"process {process + 1}"))
        for number, found in crew.starts.items():
            self._starts[number].append(found)
        self.clock_steps += crew.clock_steps
        self.clock_costs += crew.clock_costs
        self.limits += crew.limits
        self.empty += crew.empty

    def _round(self, crew: WorkerPool, process: int, number: int, samples: int) -> None:
        """A turn of everything, in a new random order: a drift of the machine's speed meets all alike."""
        jobs = self._jobs(crew, samples, sweeping=number < _SWEEP_ROUNDS)
        for job in self._random.sample(jobs, len(jobs)):
            if job.candidate in self._left:
                self._turn(crew, job, process, number)

    def _turn(self, crew: WorkerPool, job: _Job, process: int, number: int) -> None:
        worker, subject = crew.worker_of(job.candidate, job.threads)
        try:
            found = worker.turn(subject, number * _TURN, job.samples, job.batch, job.group)
        except DigitsError as error:
            if self.candidates[job.candidate].way == OUR_WAY:
                raise
            self._drop({job.candidate: error, **crew.start_again(job.candidate, without=True)})
            return
        turn = Turn(process, number, job.batch, job.group, found["dropped"], found["preempted"], tuple(found["samples_ns"]))
        self._turns.setdefault((job.candidate, job.threads, job.batch), []).append(turn)

    def _drop(self, failed: Mapping[int, DigitsError]) -> None:
        """Go on without these: what others do wrong is a line in the results."""
        for number, error in failed.items():
            candidate = self._left.pop(number)
            self.absent.append(f"{candidate.way}: {candidate.file}: {error}")

    def _jobs(self, crew: WorkerPool, samples: int, *, sweeping: bool) -> list[_Job]:
        jobs = []
        for number, candidate in self._left.items():
            threads = candidate.spec.threads
            jobs.append(_Job(number, threads, 1, samples))
            if (group := crew.groups[number, threads]) > 1:
                jobs.append(_Job(number, threads, 1, max(_LEAST_GROUPS, samples // group), group))
            if number and sweeping:
                counts = [count for count in self._settings.thread_counts if count != threads]
                jobs += [_Job(number, count, 1, samples) for count in counts]
                jobs += [_Job(number, threads, batch, _SWEEP_SAMPLES) for batch in self._settings.batches if batch > 1]
        return jobs

    def _afterwards(self, crew: WorkerPool, process: int, step: Step) -> None:
        """Accuracies, LoadGen's other scenarios, and work without rest: in the last process, when all turns are taken."""
        numbers = [number for number in self._left if number]
        for number in numbers:
            self._late(crew, number, "accuracy", partial(self._accuracy, crew, number))
            step("accuracy")
        self._ask_loadgen(crew, lambda part: part.several(self._ours(crew), process))
        if (split := self._split) is not None:
            images = self._write("test", split.images)
            self._ask_loadgen(crew, lambda part: part.accuracies(self._ours(crew), process, split, images))
        for number in numbers:
            self._late(crew, number, "work without rest", partial(self._sustain, crew, number, process, step))

    def _late(self, crew: WorkerPool, number: int, what: str, work: Callable[[], None]) -> None:
        """Do what comes after the turns; if it fails, they are kept all the same."""
        candidate = self.candidates[number]
        try:
            work()
        except (DigitsError, ValueError) as error:
            self.absent.append(f"{what} of {candidate.model.name} {candidate.recipe} by {candidate.way}: {error}")
            self._restart(crew, number)

    @staticmethod
    def _restart(crew: WorkerPool, number: int) -> None:
        """A new child for what comes next; where there is none, what comes next will say so."""
        with suppress(DigitsError, KeyError):
            crew.start_again(number, without=False)

    def _accuracy(self, crew: WorkerPool, number: int) -> None:
        if self._split:
            worker, subject = crew.worker_of(number)
            classes = worker.classes(subject, self._write("test", self._split.images))
            self._accuracies[number] = accuracy_of(np.asarray(classes), self._split.labels)

    def _sustain(self, crew: WorkerPool, number: int, process: int, step: Step) -> None:
        worker, subject = crew.worker_of(number)
        kept = self._sustained.setdefault(number, [])
        for window in sustain(worker, subject, self._settings.sustained, process, crew.process_ids):
            kept.append(window)
            step("sustained")

    def _ask_loadgen(self, crew: WorkerPool, ask: Callable[[LoadGenScenario], None]) -> None:
        """A part of LoadGen's; where one fails it is not asked again, and what it found before is kept."""
        if self.loadgen is None or not self._loadgen_works:
            return
        try:
            ask(self.loadgen)
        except (DigitsError, ValueError) as error:
            self._loadgen_works = False
            self.absent.append(f"MLPerf LoadGen: {error}")
            self._restart(crew, 0)

    def _ours(self, crew: WorkerPool) -> list[LoadGenModel]:
        """Our classifier's models, without the reference."""
        return [
            LoadGenModel(f"{candidate.model.name} {candidate.recipe}", candidate.model.labels, *crew.worker_of(number))
            for number, candidate in self._left.items()
            if number and candidate.way == OUR_WAY
        ]

    def _operators(self, number: int) -> tuple[Prefix, ...]:
        """The operators of a model of our classifier; nothing of the reference, and of what others compute."""
        candidate, settings = self.candidates[number], self._settings
        if not settings.layers or candidate.way != OUR_WAY or not number:
            return ()
        try:
            with TemporaryDirectory() as place:
                module = find_backend(candidate.spec.options["backend"]).module
                work = candidate.model.flatbuffer, module, candidate.spec.threads, self._images(), Path(place)
                return measure_layers(*work, settings.pinned, settings.seed)
        except (DigitsError, ValueError) as error:
            self.absent.append(f"operators of {candidate.model.name} {candidate.recipe}: {error}")
            return ()

    def _images(self) -> NDArray[np.uint8]:
        """What is classified while it is timed."""
        return self._split.images[:_LATENCY_IMAGES] if self._split else _synthetic_images()

    def _measured(self, number: int, layers: tuple[Prefix, ...]) -> Measured:
        main = self.candidates[number].spec.threads, 1
        found = {(threads, batch): tuple(turns) for (owner, threads, batch), turns in self._turns.items() if owner == number}
        sweeps = [Sweep(*key, turns) for key, turns in sorted(found.items()) if key != main]
        return Measured(
            tuple(self._starts[number]),
            found[main],
            tuple(sweeps),
            self._accuracies.get(number),
            tuple(self._sustained.get(number, ())),
            layers,
        )

    def _write(self, name: str, images: NDArray[np.uint8]) -> Path:
        path = self._place / f"{name}.npy"
        if not path.exists():
            np.save(path, images)
        return path


def _synthetic_images() -> NDArray[np.uint8]:
    """Noise to time with where no data is at hand: the time of these models does not depend on the pixels."""
    return np.random.RandomState(0).randint(0, 256, (_LATENCY_IMAGES, 28, 28)).astype(np.uint8)
