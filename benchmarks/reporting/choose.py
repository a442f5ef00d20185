"""Choosing a model: what the limits leave, the Pareto front, the pick and the runner-up, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.figures import median_ns
from benchmarks.reporting.comparable import Named
from benchmarks.results import OURS, ModelResult
from edge_runtime.errors import InputError
from edge_runtime.model_file import MODELS


@dataclass(frozen=True)
class Option:
    """A model on a board. latency_us: median of one image. percent: of the test images. bytes: of the file."""

    board: str
    model: ModelResult
    latency_us: float
    percent: float
    bytes: int

    @property
    def label(self) -> str:
        """Its name and recipe."""
        return self.model.label

    def beats(self, other: "Option") -> bool:
        """No worse in anything, and better in something."""
        mine, theirs = ((option.latency_us, -option.percent, option.bytes) for option in (self, other))
        return all(a <= b for a, b in zip(mine, theirs, strict=True)) and mine != theirs


@dataclass(frozen=True)
class Limits:
    """What a model has to keep to; None where nothing is demanded."""

    max_latency_us: float | None = None
    min_accuracy: float | None = None
    max_bytes: int | None = None

    def tests(self) -> dict[str, Callable[[Option], bool]]:
        """Each limit in words, and whether an option keeps it."""
        found: dict[str, Callable[[Option], bool]] = {}
        if (latency := self.max_latency_us) is not None:
            found[f"at most {latency:g} us"] = lambda option: option.latency_us <= latency
        if (accuracy := self.min_accuracy) is not None:
            found[f"at least {accuracy:g} % right"] = lambda option: option.percent >= accuracy
        if (size := self.max_bytes) is not None:
            found[f"at most {size:,} bytes"] = lambda option: option.bytes <= size
        return found


@dataclass(frozen=True)
class Choice:
    """What came of it.

    front: of all options, the fastest first. excluded: what each limit excludes. pick, runner_up: None if nothing is left.
    """

    board: str
    options: tuple[Option, ...]
    front: tuple[Option, ...]
    excluded: dict[str, tuple[Option, ...]]
    pick: Option | None
    runner_up: Option | None


def choose(results: Sequence[Named], limits: Limits, board: str | None = None) -> Choice:
    """Pick the most accurate model within the limits; of equals the fastest, then the smallest.

    Raises:
        InputError: no or several boards, no model with an accuracy and enough samples, or one model twice.
    """
    boards = sorted({named.result.machine.board for named in results})
    if board is None and len(boards) > 1:
        raise InputError(f"the results are of {len(boards)} boards; say which with --board: {', '.join(boards)}")
    chosen = board or boards[0]
    if chosen not in boards:
        raise InputError(f"no results of {chosen}; there are those of {', '.join(boards)}")
    options = _options(results, chosen)
    excluded = {name: tuple(option for option in options if not test(option)) for name, test in limits.tests().items()}
    left = sorted(
        (option for option in options if not any(option in found for found in excluded.values())),
        key=lambda option: (-option.percent, option.latency_us, option.bytes),
    )
    front = sorted(
        (option for option in options if not any(other.beats(option) for other in options)), key=lambda option: option.latency_us
    )
    return Choice(chosen, tuple(options), tuple(front), excluded, *([*left, None, None][:2]))


def _options(results: Sequence[Named], board: str) -> list[Option]:
    found: dict[tuple[str, str, str], Option] = {}
    for named in results:
        if named.result.machine.board != board:
            continue
        for model in named.result.models:
            median = median_ns(model.median_turns)
            if model.way != OURS or model.accuracy is None or median is None:
                continue
            if model.key in found:
                raise InputError(f"{model.label} is in two of the files; which one counts?")
            found[model.key] = Option(board, model, median / 1_000, model.accuracy.percent, model.file_bytes)
    if not found:
        raise InputError(f"the results of {board} hold no model with both a latency and an accuracy")
    return list(found.values())


def commands(option: Option) -> list[str]:
    """The commands that make and check a model: a shipped one is there already."""
    model = option.model
    if (MODELS / model.file).exists():
        return [f"digits verify {model.file.removesuffix('.tflite')}"]
    short = model.file.removesuffix(".tflite").removeprefix(f"{model.name}-")
    return [f"digits convert {model.name}.keras --recipe {short} --name {model.name} --out .", f"digits verify {model.file}"]
