"""A benchmark run: models on this board, in turns over several processes, to a results file (docs/benchmarking.md says why so)."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.candidates import REFERENCE_MODEL, Candidate, our_candidates
from benchmarks.cold_start import Started, cold_start
from benchmarks.conditions import Watch, look
from benchmarks.costs import read_steps
from benchmarks.layers import measure_layers
from benchmarks.loadgen import Asked, LoadGenCourse, installed_release, missing
from benchmarks.machine import this_machine
from benchmarks.results import OURS as OUR_WAY
from benchmarks.results import SCHEMA_VERSION, BenchResult, Condition, Limits, ModelResult, Prefix, Start, Sweep, Turn, Window
from benchmarks.sustained import sustain, window_seconds
from benchmarks.workers import OURS, Environment, Worker
from edge_runtime.errors import BadArgument, DigitsError, InputError
from edge_runtime.interpreter import find_backend
from edge_runtime.statistics import Accuracy, accuracy_of
from edge_runtime.version import __version__
from train.data import Dataset, Split

_COLD_STARTS = 5
_LATENCY_IMAGES = 256
_TURN = 50  # samples: some milliseconds of a small model, in which a machine hardly changes
_LEAST_GROUPS = 10
_SWEEP_ROUNDS, _SWEEP_SAMPLES = 2, 5  # of each process
_LOOK_S = 0.5


@dataclass(frozen=True)
class Settings:
    """How to measure.

    samples: timed calls of each model, spread over `starts` processes. threads: of the interpreter. pinned: processors to be bound to; none
    for all. seed: of the order of turns. batches, thread_counts: what is swept beside. loadgen: whether MLPerf LoadGen asks too. layers:
    whether operators are timed. sustained: seconds that each model works without rest at the end. command: what was typed, for the results.
    """

    board: str
    samples: int = 4_000
    threads: int = 1
    backend: str | None = None
    seed: int = 0
    starts: int = 8
    pinned: tuple[int, ...] = ()
    batches: tuple[int, ...] = ()
    thread_counts: tuple[int, ...] = ()
    loadgen: bool = False
    layers: bool = False
    sustained: int = 0
    command: str = ""

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("samples", self.samples, 1, 1_000_000),
            ("starts", self.starts, 1, 100),
            ("sustained", self.sustained, 0, 86_400),
        ):
            if not least <= value <= most:
                raise BadArgument(f"{name} is {value}, expected {least} to {most:,}")

    def shares(self) -> list[int]:
        """How many samples of each model a process takes: as even as can be, and no process without."""
        starts = min(self.starts, self.samples)
        return [self.samples // starts + (process < self.samples % starts) for process in range(starts)]


Step = Callable[[str], None]


def total_steps(candidates: int, settings: Settings) -> int:
    """How often `run` calls its `step`."""
    windows = candidates * len(window_seconds(settings.sustained))
    return candidates * (_COLD_STARTS + 1) + sum(_rounds(share) for share in settings.shares()) + windows


def run(
    paths: Sequence[Path],
    settings: Settings,
    data: Dataset | None,
    step: Step = lambda _: None,
    others: Sequence[Candidate] = (),
    absent: Sequence[str] = (),
) -> BenchResult:
    """Measure models: cold starts, then turns in several processes, then the accuracy on the test images. All of it in child processes.

    Args:
        paths: model files.
        settings: how to measure.
        data: whose test images give the accuracies; None leaves them out.
        step: called with what was done after each part, `total_steps` times.
        others: what takes turns with our classifier.
        absent: what could not be measured, and why, for the results.

    Raises:
        InputError: a model cannot be used, or does not fit the data.
        DigitsError: a child process failed; one of `others` that cannot even start is a line in the results instead.
    """
    backend = find_backend(settings.backend)
    candidates = [*our_candidates(paths, backend, settings.threads), *others]
    for path, candidate in zip(paths, candidates, strict=False):  # all of them are looked at before the first is measured
        if data and len(candidate.model.labels) != data.classes:
            raise InputError(f"{path}: knows {len(candidate.model.labels)} classes, {data.source} has {data.classes}")
    if repeated := [found for found in candidates if [_key(other) for other in candidates].count(_key(found)) > 1]:
        raise BadArgument(f"{' and '.join(found.file for found in repeated)}: the same model and recipe twice")
    machine = this_machine(settings.board, backend)
    before = look(_LOOK_S, "before")
    candidates, colds, failed = _all_cold_starts(candidates, step)
    split = data.test if data else None
    with TemporaryDirectory() as place:
        (reference,) = our_candidates([REFERENCE_MODEL], backend, settings.threads)
        release = installed_release() if settings.loadgen else None
        if settings.loadgen and release is None:
            failed.append(missing())
        course = _Course([reference, *candidates], settings, split, Path(place), LoadGenCourse(release) if release else None)
        measured = course.run(step)
    results = [
        _model_result(candidate, cold, found)
        for candidate, cold, found in zip([reference, *candidates], [[], *colds], measured, strict=True)
    ]
    return BenchResult(
        schema_version=SCHEMA_VERSION,
        edge_digits=__version__,
        command=settings.command,
        machine=machine,
        threads=settings.threads,
        pinned=settings.pinned,
        seed=settings.seed,
        samples=settings.samples,
        split=split.name if split else "",
        data_sha256=data.sha256 if data else "",
        clock_step_ns=tuple(course.clock_steps),
        empty_ns=tuple(course.empty),
        conditions=(before, *course.conditions, look(_LOOK_S, "after")),
        reference=results[0],
        models=tuple(results[1:]),
        absent=(*absent, *failed),
        limits=Limits(*zip(*course.limits, strict=True)),
        loadgen=course.loadgen.result() if course.loadgen else None,
    )


def _key(candidate: Candidate) -> tuple[str, str, str]:
    return candidate.way, candidate.model.name, candidate.recipe


def _all_cold_starts(candidates: Sequence[Candidate], step: Step) -> tuple[list[Candidate], list[list[Started]], list[str]]:
    """Those that start, the cold starts of each, and a line for each that does not: what others do wrong is a line in the results."""
    starting, colds, failed = [], [], []
    for candidate in candidates:
        try:
            colds.append(_cold_starts(candidate, step))
            starting.append(candidate)
        except DigitsError as error:
            if candidate.environment == OURS:
                raise
            failed.append(f"{candidate.way}: {error}")
    return starting, colds, failed


def _cold_starts(candidate: Candidate, step: Step) -> list[Started]:
    found = []
    for _ in range(_COLD_STARTS):
        found.append(cold_start(candidate.environment, candidate.spec))
        step("cold start")
    return found


def _rounds(share: int) -> int:
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
class _Measured:
    """What was found of one candidate."""

    starts: tuple[Start, ...]
    turns: tuple[Turn, ...]
    sweeps: tuple[Sweep, ...]
    accuracy: Accuracy | None
    sustained: tuple[Window, ...]
    layers: tuple[Prefix, ...]


class _Course:
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

    def run(self, step: Step) -> list[_Measured]:
        """Take all turns, then ask for the classes of the test images; the results are in the order of the candidates."""
        images = self._write("latency", self._images())
        shares = self._settings.shares()
        accuracies: list[Accuracy | None] = [None] * len(self.candidates)
        for process, share in enumerate(shares):
            with self._workers(images, process) as place_of:
                watch = Watch([worker.process_id for worker, _ in place_of.values()])
                for number in range(_rounds(share)):
                    self._round(place_of, process, number, min(_TURN, share - number * _TURN))
                    if self.loadgen and number == _rounds(share) // 2:  # half of our turns before, half of them after
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

    def _measured(self, number: int, accuracy: Accuracy | None, layers: tuple[Prefix, ...]) -> _Measured:
        main = self.candidates[number].spec.threads, 1
        found = {(threads, batch): tuple(turns) for (owner, threads, batch), turns in self._turns.items() if owner == number}
        sweeps = [Sweep(*key, turns) for key, turns in sorted(found.items()) if key != main]
        return _Measured(tuple(self._starts[number]), found[main], tuple(sweeps), accuracy, self._sustained.get(number, ()), layers)

    def _write(self, name: str, images: NDArray[np.uint8]) -> Path:
        path = self._place / f"{name}.npy"
        if not path.exists():
            np.save(path, images)
        return path


def _synthetic_images() -> NDArray[np.uint8]:
    """Noise to time with where no data is at hand: the time of these models does not depend on the pixels."""
    return np.random.RandomState(0).randint(0, 256, (_LATENCY_IMAGES, 28, 28)).astype(np.uint8)


def _model_result(candidate: Candidate, colds: Sequence[Started], found: _Measured) -> ModelResult:
    model = candidate.model
    return ModelResult(
        way=candidate.way,
        runtime=candidate.runtime,
        name=model.name,
        recipe=candidate.recipe,
        file=candidate.file,
        sha256=model.sha256,
        file_bytes=model.file_bytes,
        payload_bytes=model.graph.payload_bytes,
        scale_bytes=model.graph.scale_bytes,
        installed=colds[0].installed if colds else {},
        cold=tuple(start.cold for start in colds),
        starts=found.starts,
        turns=found.turns,
        sweeps=found.sweeps,
        accuracy=found.accuracy,
        multiply_adds=sum(step.multiply_adds for step in read_steps(model.flatbuffer)),
        sustained=found.sustained,
        layers=found.layers,
    )
