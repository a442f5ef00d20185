"""How a benchmark run measures."""

from dataclasses import dataclass

from edge_runtime.errors import BadArgument


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
