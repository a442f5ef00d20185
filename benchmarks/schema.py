"""What a results file holds: raw samples, and everything that has to be known to believe them. Figures are derived from it elsewhere.

Times are integer nanoseconds, sizes bytes, energies joules, loads percent, temperatures degrees Celsius. Nothing here is a median.
"""

from dataclasses import dataclass

from edge_runtime.statistics import Accuracy

SCHEMA_VERSION = 2
REFERENCE = "reference"
"""Name of the fixed model that every run times throughout: runs that were not interleaved are compared by their ratios to it."""


@dataclass(frozen=True)
class Machine:
    """The board and its software. `flags`: what the processor can do, as far as kernels differ by it, such as avx2 or asimddp."""

    board: str
    system: str
    architecture: str
    cpu: str
    flags: tuple[str, ...]
    cores: int
    memory_bytes: int
    python: str
    numpy: str


@dataclass(frozen=True)
class Conditions:
    """The board at one moment. None (and "" for the governor) is what it does not tell.

    at_ns: since the run began. busy_percent: of all cores together, with what is not ours. throttled: the firmware's bits, 0 for none.
    """

    at_ns: int
    busy_percent: float
    governor: str
    mhz: float | None
    temperature: float | None
    throttled: int | None


@dataclass(frozen=True)
class Model:
    """A model file. recipe: "unknown" for a plain .tflite. macs: multiply-adds of one image."""

    name: str
    recipe: str
    file: str
    sha256: str
    file_bytes: int
    payload_bytes: int
    scale_bytes: int
    macs: int


@dataclass(frozen=True)
class Subject:
    """Something that answers: a model through a runtime, in one way of using it.

    id: unique in a run, such as "small-int8 litert". model: the `file` of its `Model`. runtime: package and version. way: such as
    "Classifier", "Interpreter", "CompiledModel", "predict". threads: of the runtime. runtime_bytes: what the runtime takes on the disk with all
    that it needs but Python; None if that was not looked at.
    """

    id: str
    model: str
    runtime: str
    way: str
    threads: int
    runtime_bytes: int | None = None


@dataclass(frozen=True)
class Turn:
    """Calls of one subject, one after the other, with no other in between.

    process: which start of its process, from 0. round: the turns of one round follow each other in random order. batch: images in a call.
    group: calls that one sample is the time of; 1 in the per-call series that tails are read from. warmup: calls before these, not kept,
    whose number the data gave. disturbed: why it should not be believed, "" if nothing is known against it.
    """

    subject: str
    process: int
    round: int
    began_ns: int
    threads: int
    batch: int
    group: int
    warmup: int
    samples_ns: tuple[int, ...]
    disturbed: str = ""


@dataclass(frozen=True)
class ColdStart:
    """One start of a process to its first answer: from the command to the first line of ours, the imports, loading, the answer.

    steady_bytes and peak_bytes: memory after the answer and at most, a share of what is shared with others if `proportional`.
    """

    subject: str
    process_ns: int
    imports_ns: int
    load_ns: int
    first_ns: int
    steady_bytes: int
    peak_bytes: int
    proportional: bool


@dataclass(frozen=True)
class Sustained:
    """A subject asked without rest: the median of each slice of time, and the board in it. `joules`: of the whole board's processor."""

    subject: str
    slice_ns: int
    calls: tuple[int, ...]
    median_ns: tuple[int, ...]
    conditions: tuple[Conditions, ...]
    joules: float | None = None


@dataclass(frozen=True)
class Layer:
    """An operator's share: what a graph cut after it takes longer than one cut before it. Interleaved samples of both."""

    model: str
    operator: str
    before_ns: tuple[int, ...]
    after_ns: tuple[int, ...]


@dataclass(frozen=True)
class Judged:
    """A subject's answers to the images of a split."""

    subject: str
    split: str
    accuracy: Accuracy


@dataclass(frozen=True)
class Bound:
    """What this machine can do at most, measured: bytes a second from its memory, multiply-adds a second in `dtype` on `threads`."""

    dtype: str
    threads: int
    bytes_per_second: float
    macs_per_second: float


@dataclass(frozen=True)
class Harness:
    """The ruler: the clock's smallest step, and samples of timing nothing at all, per call, with groups as they were used."""

    clock_step_ns: int
    empty_ns: tuple[int, ...]


@dataclass(frozen=True)
class LoadGenRun:
    """A run of MLPerf LoadGen. summary: its own mlperf_log_summary.txt, line by line. ours_ns: our samples, interleaved with its queries."""

    subject: str
    scenario: str
    mode: str
    version: str
    summary: tuple[str, ...]
    ours_ns: tuple[int, ...]
    theirs_ns: tuple[int, ...]


@dataclass(frozen=True)
class BenchResult:
    """A run. absent: what was asked for and could not be measured, a line each. images: where the pixels are from, with their hash."""

    schema_version: int
    edge_digits: str
    command: str
    machine: Machine
    seed: int
    images: str
    images_sha256: str
    pinned: tuple[int, ...]
    models: tuple[Model, ...]
    subjects: tuple[Subject, ...]
    harness: Harness
    conditions: tuple[Conditions, ...]
    steady: tuple[Turn, ...]
    sweeps: tuple[Turn, ...] = ()
    cold: tuple[ColdStart, ...] = ()
    sustained: tuple[Sustained, ...] = ()
    layers: tuple[Layer, ...] = ()
    judged: tuple[Judged, ...] = ()
    bounds: tuple[Bound, ...] = ()
    loadgen: tuple[LoadGenRun, ...] = ()
    absent: tuple[str, ...] = ()
