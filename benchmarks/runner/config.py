"""Settings of a benchmark run."""

from dataclasses import dataclass

from edge_runtime.errors import BadArgument

_COLD_STARTS = 5


@dataclass(frozen=True)
class Settings:
    """How to measure.

    samples: timed calls of each model, spread over `starts` processes. threads: of the interpreter. pinned: processors to run on; empty
    for all. seed: of the order of turns. batches, thread_counts: further batch sizes and thread counts to time. loadgen: whether to run
    MLPerf LoadGen. photos: whether to time the way from a photo file to a label. layers: whether to time operators. sustained: seconds
    that each model runs without a pause at the end. command: the command line, for the results.

    Raises:
        BadArgument: a number is out of range.
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
    photos: bool = True
    loadgen: bool = False
    layers: bool = False
    sustained: int = 0
    command: str = ""

    def __post_init__(self) -> None:
        for name, value, minimum, maximum in (
            ("samples", self.samples, 1, 1_000_000),
            ("starts", self.starts, 1, 100),
            ("sustained", self.sustained, 0, 86_400),
        ):
            if not minimum <= value <= maximum:
                raise BadArgument(f"{name} is {value}, expected {minimum} to {maximum:,}")

    @property
    def cold_starts(self) -> int:
        """Cold starts of each model: fewer if there are hardly any samples, for a quick look."""
        return min(_COLD_STARTS, self.samples)

    def shares(self) -> list[int]:
        """How many samples of each model each process takes: at least one, and as equal as possible."""
        starts = min(self.starts, self.samples)
        return [self.samples // starts + (process < self.samples % starts) for process in range(starts)]
