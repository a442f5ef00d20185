"""The parts of a results file: times, and the state of the machine. Impossible numbers are refused."""

from dataclasses import dataclass

from benchmarks.worker.timer import MAX_GROUP

MAX_NUMBER = 2**62  # nanoseconds of more than a century: a larger number is no measurement


def in_range(minimum: float = 0, maximum: float = MAX_NUMBER, **values: float | None) -> None:
    """Check named numbers against a range; None passes.

    Raises:
        ValueError: a number is out of range.
    """
    for name, value in values.items():
        if value is not None and not minimum <= value <= maximum:
            text = f"{value}" if abs(value) <= MAX_NUMBER else f"a number of {len(str(int(value)))} digits"
            raise ValueError(
                f"{name} is {text}, expected {minimum} to {maximum}"
                if maximum < MAX_NUMBER
                else f"{name} is {text}, expected {minimum} or more"
            )


@dataclass(frozen=True)
class Machine:
    """The board and the software of a measurement. busy_percent: the load of all cores just before it; None: not available."""

    board: str
    system: str
    architecture: str
    cpu: str
    cores: int
    memory_bytes: int
    governor: str
    busy_percent: float | None
    python: str
    numpy: str
    runtime: str
    simd: tuple[str, ...] = ()  # empty in older results, too

    def __post_init__(self) -> None:
        in_range(1, 1_000_000, cores=self.cores)
        in_range(memory_bytes=self.memory_bytes)
        in_range(0, 100, busy_percent=self.busy_percent)


@dataclass(frozen=True)
class Condition:
    """The state of the machine during a part of the run.

    when: "before", "process 1", ..., "after". seconds: length of the part. busy_percent: of all cores, by other programs. stolen_percent:
    taken by a hypervisor. megahertz, celsius: at its end, of the fastest core and the hottest zone. throttled: bits of the Raspberry Pi
    firmware. waited_percent: share of the time in which the measured processes were ready but had no processor. None: not available.
    """

    when: str
    seconds: float
    busy_percent: float | None
    stolen_percent: float | None
    megahertz: float | None
    governor: str
    celsius: float | None
    throttled: int | None
    waited_percent: float | None = None

    def __post_init__(self) -> None:
        in_range(0, 100, busy_percent=self.busy_percent, stolen_percent=self.stolen_percent, waited_percent=self.waited_percent)
        in_range(seconds=self.seconds, megahertz=self.megahertz, throttled=self.throttled)
        in_range(-274, 1_000, celsius=self.celsius)


@dataclass(frozen=True)
class Turn:
    """Successive samples of one model, between turns of others.

    process, round: numbers of the process and of its round, from 0. batch: images of a call. group: calls of a sample. dropped: calls at
    the beginning, until their times agreed, which are not kept. preempted: involuntary context switches during the turn; None if not
    counted. samples_ns: of each group.
    """

    process: int
    round: int
    batch: int
    group: int
    dropped: int
    preempted: int | None
    samples_ns: tuple[int, ...]

    def __post_init__(self) -> None:
        in_range(process=self.process, round=self.round, dropped=self.dropped, preempted=self.preempted)
        in_range(1, MAX_GROUP, batch=self.batch, group=self.group)
        if not self.samples_ns or min(self.samples_ns) < 0 or max(self.samples_ns) > MAX_NUMBER:
            raise ValueError("times are missing, below 0, or longer than a century")


@dataclass(frozen=True)
class Start:
    """The warm-up of a model in one of the run's processes: its calls, and whether their times settled."""

    process: int
    warmup_calls: int
    agreed: bool

    def __post_init__(self) -> None:
        in_range(process=self.process, warmup_calls=self.warmup_calls)


@dataclass(frozen=True)
class ColdStart:
    """A process from its start to its first answer, in nanoseconds, and its memory in bytes.

    process_ns: from the start to the first line of Python. imports_ns: of the packages that it needs. load_ns: reading and checking the
    file, creating the interpreter. first_ns: the first answer. steady_bytes: proportional set size after some answers (a page that several
    processes share counts in part). peak_bytes: peak resident set size. None: not available.
    """

    process_ns: int
    imports_ns: int
    load_ns: int
    first_ns: int
    steady_bytes: int | None
    peak_bytes: int | None

    def __post_init__(self) -> None:
        in_range(
            process_ns=self.process_ns,
            imports_ns=self.imports_ns,
            load_ns=self.load_ns,
            first_ns=self.first_ns,
            steady_bytes=self.steady_bytes,
            peak_bytes=self.peak_bytes,
        )

    @property
    def total_ns(self) -> int:
        """From the start to the first answer."""
        return self.process_ns + self.imports_ns + self.load_ns + self.first_ns


@dataclass(frozen=True)
class Sweep:
    """The times of a model with another batch size or other threads, interleaved with all others."""

    threads: int
    batch: int
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        in_range(1, 4_096, threads=self.threads)
        if not self.turns or any(turn.batch != self.batch for turn in self.turns):
            raise ValueError("no turns, or turns of another batch size")


@dataclass(frozen=True)
class Window:
    """A window of sustained load. turn: its times. microjoules: energy of the whole processor; None: not available."""

    turn: Turn
    condition: Condition
    microjoules: int | None

    def __post_init__(self) -> None:
        in_range(microjoules=self.microjoules)
        if min(self.turn.samples_ns) == 0:
            raise ValueError("times of 0")


@dataclass(frozen=True)
class GoldenCheck:
    """The golden images of a model file, run on this machine.

    equal: how many of `images` had the recorded label. passed: all had, and all outputs were within the manifest's tolerance.
    """

    equal: int
    images: int
    passed: bool

    def __post_init__(self) -> None:
        in_range(1, images=self.images)
        in_range(0, self.images, equal=self.equal)
        if self.passed and self.equal < self.images:
            raise ValueError(f"golden images passed, but {self.images - self.equal} of {self.images} labels differ")


@dataclass(frozen=True)
class Prefix:
    """The first operators of a model (benchmarks.runner.operators): kind, output shape and multiply-adds of the last of them.

    The first prefix of a model has no operator. turns: the times of all its operators together.
    """

    operator: str
    output: tuple[int, ...]
    multiply_adds: int
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        in_range(multiply_adds=self.multiply_adds)
        in_range(**{f"output[{number}]": size for number, size in enumerate(self.output)})
        if not self.turns or any(min(turn.samples_ns) == 0 for turn in self.turns):
            raise ValueError("it was never timed, or has times of 0")


@dataclass(frozen=True)
class Peaks:
    """The speed of numpy in each of our processes: float32 multiply-adds and copied bytes per second (benchmarks.worker.peaks)."""

    multiply_adds: tuple[float, ...]
    bytes: tuple[float, ...]

    def __post_init__(self) -> None:
        speeds = (*self.multiply_adds, *self.bytes)
        if not speeds or not all(1 <= speed <= MAX_NUMBER for speed in speeds) or len(self.bytes) != len(self.multiply_adds):
            raise ValueError("speeds are missing, below 1, or impossible")
