"""The turns of a benchmark run: all its processes, one after the other, and what is asked of them."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.candidates import Candidate
from benchmarks.conditions import Watch
from benchmarks.layers import measure_layers
from benchmarks.loadgen import Asked, LoadGenCourse
from benchmarks.results import OURS as OUR_WAY
from benchmarks.results import Condition, Prefix, Start, Sweep, Turn, Window
from benchmarks.settings import Settings
from benchmarks.sustained import sustain
from benchmarks.workers import Environment, Worker
from edge_runtime.interpreter import find_backend
from edge_runtime.statistics import Accuracy, accuracy_of
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


class Course:
    """All processes of a run, one after the other, and the turns in them.

    Attributes:
        candidates: what is measured, the reference first.
        conditions: the machine during each process.
        clock_steps, empty, limits: what the children said about the clock, the harness, and the most that this machine can do.
        loadgen: MLPerf LoadGen's part, if it has one.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        settings: Settings,
        split: Split | None,
        place: Path,
        loadgen: LoadGenCourse | None,
    ) -> None:
        self.candidates, self._settings, self._split, self._place = candidates, settings, split, place
        self.loadgen = loadgen
        self._random = random.Random(settings.seed)
        self._starts: list[list[Start]] = [[] for _ in candidates]
        self._turns: dict[tuple[int, int, int], list[Turn]] = {}
        self.conditions: list[Condition] = []
        self.clock_steps: list[int] = []
        self.empty: list[int] = []
        self.limits: list[tuple[float, float]] = []
        self._sustained: dict[int, tuple[Window, ...]] = {}

    def run(self, step: Step) -> list[Measured]:
        """Take all turns, then ask for the classes of the test images; the results are in the order of the candidates."""
        images = self._write("latency", self._images())
        shares = self._settings.shares()
        accuracies: list[Accuracy | None] = [None] * len(self.candidates)
        for process, share in enumerate(shares):
            with self._workers(images, process) as place_of:
                watch = Watch([worker.process_id for worker, _ in place_of.values()])
                for number in range(rounds_of(share)):
                    self._round(place_of, process, number, min(_TURN, share - number * _TURN))
                    if self.loadgen and number == rounds_of(share) // 2:  # half of our turns before, half of them after
                        self.loadgen.single_stream(self._ours(place_of), process, share)
                    step("latency")
                self.conditions.append(watch.condition(f"process {process + 1}"))
                if process == len(shares) - 1:
                    accuracies[1:] = [self._accuracy(place_of, number, step) for number in range(1, len(self.candidates))]
                    self._ask_loadgen(place_of, process)
                    self._sustain(place_of, process, step)
        layers = [self._operators(candidate) for candidate in self.candidates]
        return [self._measured(number, accuracies[number], layers[number]) for number in range(len(self.candidates))]

    def _operators(self, candidate: Candidate) -> tuple[Prefix, ...]:
        """The operators of a model of our classifier; nothing of the reference, and of what others compute."""
        if not self._settings.layers or candidate.way != OUR_WAY or candidate is self.candidates[0]:
            return ()
        with TemporaryDirectory() as place:
            flatbuffer, module = candidate.model.flatbuffer, find_backend(candidate.spec.options["backend"]).module
            settings = self._settings
            return measure_layers(
                flatbuffer, module, candidate.spec.threads, self._images(), Path(place), settings.pinned, settings.seed
            )

    def _images(self) -> NDArray[np.uint8]:
        """What is classified while it is timed."""
        return self._split.images[:_LATENCY_IMAGES] if self._split else _synthetic_images()

    def _ours(self, place_of: "Mapping[tuple[int, int], tuple[Worker, int]]") -> list[Asked]:
        """Our classifier's models, without the reference."""
        found = []
        for number, candidate in enumerate(self.candidates):
            if number and candidate.way == OUR_WAY:
                worker, subject = place_of[number, candidate.spec.threads]
                found.append(Asked(f"{candidate.model.name} {candidate.recipe}", candidate.model.labels, worker, subject))
        return found

    def _ask_loadgen(self, place_of: "Mapping[tuple[int, int], tuple[Worker, int]]", process: int) -> None:
        if self.loadgen:
            self.loadgen.several(self._ours(place_of), process)
            if self._split:
                self.loadgen.accuracies(self._ours(place_of), process, self._split, self._write("test", self._split.images))

    def _sustain(self, place_of: "Mapping[tuple[int, int], tuple[Worker, int]]", process: int, step: Step) -> None:
        """One model after the other."""
        process_ids = [worker.process_id for worker, _ in place_of.values()]
        for number, candidate in list(enumerate(self.candidates))[1:]:
            worker, subject = place_of[number, candidate.spec.threads]
            self._sustained[number] = sustain(worker, subject, self._settings.sustained, process, process_ids, step)

    @contextmanager
    def _workers(self, images: Path, process: int) -> "Iterator[dict[tuple[int, int], tuple[Worker, int]]]":
        """A child for each environment; gives who runs which candidate with how many threads, and as which of its subjects."""
        wanted: dict[Environment, list[tuple[int, int]]] = {}
        for number, candidate in enumerate(self.candidates):
            counts = {candidate.spec.threads, *(self._settings.thread_counts if number else ())}
            wanted.setdefault(candidate.environment, []).extend((number, threads) for threads in sorted(counts))
        with ExitStack() as stack:
            place_of: dict[tuple[int, int], tuple[Worker, int]] = {}
            self._groups: dict[tuple[int, int], int] = {}
            for environment, keys in wanted.items():
                specs = [replace(self.candidates[number].spec, threads=threads) for number, threads in keys]
                worker = stack.enter_context(Worker(environment, specs, images, self._settings.pinned))
                self.clock_steps.append(worker.ready["clock_step_ns"])
                self.limits.append(tuple(worker.ready["limits"]))
                self.empty += worker.ready["empty_ns"][: 1_000 // self._settings.starts + 1]
                for subject, (number, threads) in enumerate(keys):
                    place_of[number, threads] = worker, subject
                    self._groups[number, threads] = worker.ready["groups"][subject]
                    if threads == self.candidates[number].spec.threads:
                        self._starts[number].append(Start(process, *worker.ready["warmups"][subject]))
            yield place_of

    def _round(self, place_of: "dict[tuple[int, int], tuple[Worker, int]]", process: int, number: int, samples: int) -> None:
        """A turn of everything, in a new random order: a drift of the machine's speed meets all alike."""
        jobs = self._jobs(samples, sweeping=number < _SWEEP_ROUNDS)
        for job in self._random.sample(jobs, len(jobs)):
            worker, subject = place_of[job.candidate, job.threads]
            found = worker.turn(subject, number * _TURN, job.samples, job.batch, job.group)
            turn = Turn(process, number, job.batch, job.group, found["dropped"], found["preempted"], tuple(found["samples_ns"]))
            self._turns.setdefault((job.candidate, job.threads, job.batch), []).append(turn)

    def _jobs(self, samples: int, *, sweeping: bool) -> list[_Job]:
        jobs = []
        for number, candidate in enumerate(self.candidates):
            threads = candidate.spec.threads
            jobs.append(_Job(number, threads, 1, samples))
            if (group := self._groups[number, threads]) > 1:
                jobs.append(_Job(number, threads, 1, max(_LEAST_GROUPS, samples // group), group))
            if number and sweeping:
                counts = [count for count in self._settings.thread_counts if count != threads]
                jobs += [_Job(number, count, 1, samples) for count in counts]
                jobs += [_Job(number, threads, batch, _SWEEP_SAMPLES) for batch in self._settings.batches if batch > 1]
        return jobs

    def _accuracy(self, place_of: "dict[tuple[int, int], tuple[Worker, int]]", number: int, step: Step) -> Accuracy | None:
        accuracy = None
        if self._split:
            worker, subject = place_of[number, self.candidates[number].spec.threads]
            classes = worker.classes(subject, self._write("test", self._split.images))
            accuracy = accuracy_of(np.asarray(classes), self._split.labels)
        step("accuracy")
        return accuracy

    def _measured(self, number: int, accuracy: Accuracy | None, layers: tuple[Prefix, ...]) -> Measured:
        main = self.candidates[number].spec.threads, 1
        found = {(threads, batch): tuple(turns) for (owner, threads, batch), turns in self._turns.items() if owner == number}
        sweeps = [Sweep(*key, turns) for key, turns in sorted(found.items()) if key != main]
        return Measured(tuple(self._starts[number]), found[main], tuple(sweeps), accuracy, self._sustained.get(number, ()), layers)

    def _write(self, name: str, images: NDArray[np.uint8]) -> Path:
        path = self._place / f"{name}.npy"
        if not path.exists():
            np.save(path, images)
        return path


def _synthetic_images() -> NDArray[np.uint8]:
    """Noise to time with where no data is at hand: the time of these models does not depend on the pixels."""
    return np.random.RandomState(0).randint(0, 256, (_LATENCY_IMAGES, 28, 28)).astype(np.uint8)
