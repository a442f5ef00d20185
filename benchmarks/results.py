"""Results of a benchmark run: raw samples, how they came about and where they are from. Everything else is derived."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loadgen import LoadGen
from benchmarks.machine import Machine
from edge_runtime.errors import InputError
from edge_runtime.records import from_json
from edge_runtime.statistics import Accuracy

SCHEMA_VERSION = 2
OURS = "Classifier.classify"
_COARSE_NS = 1_000  # no call is over within a step of a finer clock


def _not_below_0(**values: int | float | None) -> None:
    for name, value in values.items():
        if value is not None and value < 0:
            raise ValueError(f"{name} is {value}, expected no number below 0")


@dataclass(frozen=True)
class Turn:
    """Successive samples of one model, between turns of others.

    process, round: numbers of the process and of its round, from 0. batch: images of a call. group: calls of a sample; 1 is one call a
    sample. dropped: calls at the beginning that are not kept, until their times agreed. preempted: how often the system took the
    processor away during the turn; None where nobody looked. samples_ns: of each whole group.
    """

    process: int
    round: int
    batch: int
    group: int
    dropped: int
    preempted: int | None
    samples_ns: tuple[int, ...]

    def __post_init__(self) -> None:
        _not_below_0(process=self.process, round=self.round, dropped=self.dropped, preempted=self.preempted)
        if min(self.batch, self.group) < 1:
            raise ValueError(f"batch {self.batch} and group {self.group}, expected 1 or more")
        if not self.samples_ns or min(self.samples_ns) < 0:
            raise ValueError("times are missing, or below 0")


@dataclass(frozen=True)
class Start:
    """A model loaded in one of the run's processes: how many calls its warm-up took, and whether their times came to agree."""

    process: int
    warmup_calls: int
    agreed: bool


@dataclass(frozen=True)
class ColdStart:
    """A process from its start to its first answer, in nanoseconds, and its memory in bytes.

    process_ns: the system's, and the interpreter's, until the first line of Python. imports_ns: of what is needed to load a model.
    load_ns: reading and checking the file, making the interpreter. first_ns: the first answer. steady_bytes: proportional set size after
    some answers (a page that several processes share counts for each in part). peak_bytes: largest resident set. None: not told.
    """

    process_ns: int
    imports_ns: int
    load_ns: int
    first_ns: int
    steady_bytes: int | None
    peak_bytes: int | None

    def __post_init__(self) -> None:
        _not_below_0(
            process_ns=self.process_ns,
            imports_ns=self.imports_ns,
            load_ns=self.load_ns,
            first_ns=self.first_ns,
            steady_bytes=self.steady_bytes,
            peak_bytes=self.peak_bytes,
        )

    @property
    def total_ns(self) -> int:
        """From nothing to the first answer."""
        return self.process_ns + self.imports_ns + self.load_ns + self.first_ns


@dataclass(frozen=True)
class Sweep:
    """A model at another batch size or with other threads, in turns with the others."""

    threads: int
    batch: int
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        if self.threads < 1 or not self.turns or any(turn.batch != self.batch for turn in self.turns):
            raise ValueError("no turns, or turns of another batch size, or no threads")


@dataclass(frozen=True)
class Window:
    """Some seconds of answering without rest. turn: what was timed. microjoules: of the whole processor; None: not told."""

    turn: Turn
    condition: "Condition"
    microjoules: int | None

    def __post_init__(self) -> None:
        _not_below_0(microjoules=self.microjoules)


@dataclass(frozen=True)
class Prefix:
    """The first operators of a model, up to one (benchmarks.layers): its kind, the shape that it gives, its multiply-adds.

    The first of all has no operator yet. turns: of all of them together.
    """

    operator: str
    output: tuple[int, ...]
    multiply_adds: int
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        _not_below_0(multiply_adds=self.multiply_adds)
        if not self.turns:
            raise ValueError("it was never timed")


@dataclass(frozen=True)
class Limits:
    """What the machine can do at most, as measured in each process: float32 multiply-adds and bytes a second (benchmarks.limits)."""

    multiply_adds: tuple[float, ...]
    bytes: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.multiply_adds or min(*self.multiply_adds, *self.bytes) <= 0 or len(self.bytes) != len(self.multiply_adds):
            raise ValueError("speeds are missing, or not above 0")


@dataclass(frozen=True)
class ModelResult:
    """One model on one board, in one way. Sizes are bytes.

    way: how an image becomes an answer; `OURS` is our classifier. runtime: the package and release that computes. sha256: of the
    FlatBuffer. installed: bytes of the packages that the way needs, by name. turns: with one image a call, the run's threads. sweeps: the
    same with others. accuracy: None where there were no labels. multiply_adds: of one image; None where nobody counted. sustained:
    answering without rest, window after window. layers: the first operators alone, one more each time.
    """

    way: str
    runtime: str
    name: str
    recipe: str
    file: str
    sha256: str
    file_bytes: int
    payload_bytes: int
    scale_bytes: int
    installed: dict[str, int]
    cold: tuple[ColdStart, ...]
    starts: tuple[Start, ...]
    turns: tuple[Turn, ...]
    sweeps: tuple[Sweep, ...]
    accuracy: Accuracy | None
    multiply_adds: int | None = None
    sustained: tuple[Window, ...] = ()
    layers: tuple[Prefix, ...] = ()

    def __post_init__(self) -> None:
        _not_below_0(file_bytes=self.file_bytes, payload_bytes=self.payload_bytes, scale_bytes=self.scale_bytes)
        _not_below_0(multiply_adds=self.multiply_adds)
        if not any(turn.group == 1 for turn in self.turns) or any(turn.batch != 1 for turn in self.turns):
            raise ValueError(f"{self.file} has no times of single calls with one image, or others among them")

    @property
    def label(self) -> str:
        """Such as "nano static_wi8_ai8"; with its way, where that is not ours."""
        return f"{self.name} {self.recipe}" + (f" by {self.way}" if self.way != OURS else "")

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells the models of a run apart, and finds the same one in another run."""
        return self.way, self.name, self.recipe

    @property
    def steady_ns(self) -> tuple[int, ...]:
        """Every single call, in the order of time."""
        return tuple(sample for turn in self.turns if turn.group == 1 for sample in turn.samples_ns)

    @property
    def median_turns(self) -> tuple[Turn, ...]:
        """The turns that a median is taken from: those in groups where single calls are too short for the clock."""
        return tuple(turn for turn in self.turns if turn.group > 1) or self.turns


@dataclass(frozen=True)
class Condition:
    """The machine at some time of the run.

    when: "before", "process 1", ..., "after". seconds: how long was looked. busy_percent: of all cores, by other programs. stolen_percent:
    taken by the machine's host. megahertz, celsius: now, of the fastest core and the hottest zone. throttled: the firmware's bits. None:
    not told.
    """

    when: str
    seconds: float
    busy_percent: float
    stolen_percent: float | None
    megahertz: float | None
    governor: str
    celsius: float | None
    throttled: int | None

    def __post_init__(self) -> None:
        for name in ("busy_percent", "stolen_percent"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 100:
                raise ValueError(f"{name} is {value}, expected 0 to 100")


@dataclass(frozen=True)
class BenchResult:
    """A run over several models, interleaved.

    edge_digits: our release. command: what was typed. pinned: the processors it was bound to; none: to all. samples: how many single
    calls of each model were asked for. split, data_sha256: the images that the accuracies are from. clock_step_ns: of each process.
    empty_ns: calls that do nothing, timed as all others; both are empty where nobody looked. reference: the model that every run of
    every release times throughout, so that runs can be compared. absent: what was asked for and could not be measured, and why. limits,
    loadgen: None where nobody looked.
    """

    schema_version: int
    edge_digits: str
    command: str
    machine: Machine
    threads: int
    pinned: tuple[int, ...]
    seed: int
    samples: int
    split: str
    data_sha256: str
    clock_step_ns: tuple[int, ...]
    empty_ns: tuple[int, ...]
    conditions: tuple[Condition, ...]
    reference: ModelResult
    models: tuple[ModelResult, ...]
    absent: tuple[str, ...]
    limits: Limits | None = None
    loadgen: LoadGen | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("holds no model")
        if self.threads < 1 or min(self.clock_step_ns, default=1) <= 0 or min(self.empty_ns, default=0) < 0:
            raise ValueError("no threads, or an impossible clock")
        if max(self.clock_step_ns, default=1) < _COARSE_NS and any(
            min(turn.samples_ns) == 0 for model in self.models for turn in model.turns
        ):
            raise ValueError("times of 0, with a clock that is not as coarse")
        if repeated := _repeated(model.key for model in self.models):
            raise ValueError(f"holds {' '.join(repeated)} twice")
        for model in (self.reference, *self.models):
            if {turn.process for turn in model.turns} != {turn.process for turn in self.reference.turns}:
                raise ValueError(f"{model.file} was not timed in the same processes as the reference")


def _repeated(keys: Iterable[tuple[str, str, str]]) -> tuple[str, str, str] | None:
    seen: set[tuple[str, str, str]] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None


def read_results(path: Path) -> BenchResult:
    """Read a results file.

    Raises:
        InputError: it cannot be read, is of another schema version, or a field is wrong.
    """
    try:
        return from_json(BenchResult, path.read_text(), ("schema_version", SCHEMA_VERSION))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def find_models(result: BenchResult, ways: Sequence[str] = (OURS,)) -> list[ModelResult]:
    """The models of a result that were run in one of these ways."""
    return [model for model in result.models if model.way in ways]
