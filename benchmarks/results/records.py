"""The parts of a results file: what was timed, and what the machine did meanwhile. Numbers that cannot be are refused."""

from dataclasses import dataclass

from benchmarks.worker.timer import MOST_GROUP

MOST = 2**62  # nanoseconds of a century, more bytes than there are: a larger number is no measurement


def in_range(least: float = 0, most: float = MOST, **values: float | None) -> None:
    """Refuse a number that is too small or too large; None is no number.

    Raises:
        ValueError: there is one; the message says its name.
    """
    for name, value in values.items():
        if value is not None and not least <= value <= most:
            text = f"{value}" if abs(value) <= MOST else f"a number of {len(str(int(value)))} digits"
            raise ValueError(
                f"{name} is {text}, expected {least} to {most}" if most < MOST else f"{name} is {text}, expected {least} or more"
            )


@dataclass(frozen=True)
class Machine:
    """The board and the software that a measurement was made with. `busy_percent` is the load of all cores just before it."""

    board: str
    system: str
    architecture: str
    cpu: str
    cores: int
    memory_bytes: int
    governor: str
    busy_percent: float
    python: str
    numpy: str
    runtime: str
    simd: tuple[str, ...] = ()  # empty too where nobody looked

    def __post_init__(self) -> None:
        in_range(1, 1_000_000, cores=self.cores)
        in_range(memory_bytes=self.memory_bytes)
        in_range(0, 100, busy_percent=self.busy_percent)


@dataclass(frozen=True)
class Condition:
    """The machine at some time of the run.

    when: "before", "process 1", ..., "after". seconds: how long was looked. busy_percent: of all cores, by other programs. stolen_percent:
    taken by the machine's host. megahertz, celsius: now, of the fastest core and the hottest zone. throttled: the firmware's bits.
    waited_percent: of that time, how long the measured processes were ready and had no processor. None: not told.
    """

    when: str
    seconds: float
    busy_percent: float
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
        in_range(process=self.process, round=self.round, dropped=self.dropped, preempted=self.preempted)
        in_range(1, MOST_GROUP, batch=self.batch, group=self.group)
        if not self.samples_ns or min(self.samples_ns) < 0 or max(self.samples_ns) > MOST:
            raise ValueError("times are missing, below 0, or longer than a century")


@dataclass(frozen=True)
class Start:
    """A model loaded in one of the run's processes: how many calls its warm-up took, and whether their times came to agree."""

    process: int
    warmup_calls: int
    agreed: bool

    def __post_init__(self) -> None:
        in_range(process=self.process, warmup_calls=self.warmup_calls)


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
        """From nothing to the first answer."""
        return self.process_ns + self.imports_ns + self.load_ns + self.first_ns


@dataclass(frozen=True)
class Sweep:
    """A model at another batch size or with other threads, in turns with the others."""

    threads: int
    batch: int
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        in_range(1, 4_096, threads=self.threads)
        if not self.turns or any(turn.batch != self.batch for turn in self.turns):
            raise ValueError("no turns, or turns of another batch size")


@dataclass(frozen=True)
class Window:
    """Some seconds of answering without rest. turn: what was timed. microjoules: of the whole processor; None: not told."""

    turn: Turn
    condition: Condition
    microjoules: int | None

    def __post_init__(self) -> None:
        in_range(microjoules=self.microjoules)
        if min(self.turn.samples_ns) == 0:
            raise ValueError("times of 0")


@dataclass(frozen=True)
class Prefix:
    """The first operators of a model, up to one (benchmarks.runner.operators): its kind, the shape that it gives, its multiply-adds.

    The first of all has no operator yet. turns: of all of them together.
    """

    operator: str
    output: tuple[int, ...]
    multiply_adds: int
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        in_range(multiply_adds=self.multiply_adds)
        in_range(**{f"output[{number}]": size for number, size in enumerate(self.output)})
        if not self.turns or any(min(turn.samples_ns) == 0 for turn in self.turns):
            raise ValueError("it was never timed, or took no time")


@dataclass(frozen=True)
class Peaks:
    """What the machine can do at most, as measured in each process: float32 multiply-adds and bytes a second (benchmarks.worker.peaks)."""

    multiply_adds: tuple[float, ...]
    bytes: tuple[float, ...]

    def __post_init__(self) -> None:
        speeds = (*self.multiply_adds, *self.bytes)
        if not speeds or not all(1 <= speed <= MOST for speed in speeds) or len(self.bytes) != len(self.multiply_adds):
            raise ValueError("speeds are missing, or not above 0, or of no machine")
