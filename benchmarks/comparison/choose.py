"""Choosing a model: the models within the limits, the Pareto front, the pick and the runner-up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from benchmarks.comparison.comparable import Named
from benchmarks.results.results import ModelResult, find_models
from benchmarks.stats.intervals import median_interval, median_ns
from benchmarks.stats.pareto import pareto_front
from edge_runtime.common.intervals import Accuracy
from edge_runtime.errors import InputError
from edge_runtime.model.model_file import MODELS, read_model_file
from edge_runtime.model.recipe_names import SHORT_NAMES

Interval = tuple[float, float]


@dataclass(frozen=True)
class Option:
    """A model on a board.

    latency_us: median of one image. percent: test accuracy. bytes: of the file. latency_interval, percent_interval: at 95 %, of this value
    alone where none is known.
    """

    board: str
    model: ModelResult
    latency_us: float
    percent: float
    bytes: int
    latency_interval: Interval
    percent_interval: Interval

    @property
    def label(self) -> str:
        """Its name and recipe, such as "nano int8"."""
        return self.model.label

    @property
    def costs(self) -> tuple[float, float, int]:
        """What a better option has less of: latency, errors, bytes."""
        return self.latency_us, -self.percent, self.bytes


@dataclass(frozen=True)
class Limits:
    """Limits that a model must keep; None for no limit."""

    max_latency_us: float | None = None
    min_accuracy: float | None = None
    max_bytes: int | None = None

    def tests(self) -> dict[str, Callable[[Option], bool]]:
        """Each limit in words, and a function that says whether an option keeps it."""
        found: dict[str, Callable[[Option], bool]] = {}
        if (latency := self.max_latency_us) is not None:
            found[f"at most {latency:g} us"] = lambda option: option.latency_us <= latency
        if (accuracy := self.min_accuracy) is not None:
            found[f"at least {accuracy:g} % accuracy"] = lambda option: option.percent >= accuracy
        if (size := self.max_bytes) is not None:
            found[f"at most {size:,} bytes"] = lambda option: option.bytes <= size
        return found


@dataclass(frozen=True)
class Choice:
    """The options, and which of them are chosen.

    front: the Pareto front of all options, the fastest first. excluded: the options that each limit excludes. pick, runner_up: None if
    there is none. equal: the options within the limits whose accuracy is within the interval of the best one; the pick comes first.
    unjudged: labels of our models without an accuracy, which are no options.
    """

    board: str
    options: tuple[Option, ...]
    front: tuple[Option, ...]
    excluded: dict[str, tuple[Option, ...]]
    pick: Option | None
    runner_up: Option | None
    equal: tuple[Option, ...] = ()
    unjudged: tuple[str, ...] = ()


def of_board(results: Sequence[Named], board: str | None = None) -> list[Named]:
    """The results of one board: the named one, or the only one.

    Raises:
        InputError: there are no results of that board, or several boards and none was named.
    """
    boards = sorted({named.result.machine.board for named in results})
    if board is None and len(boards) > 1:
        raise InputError(f"the results are of {len(boards)} boards; choose one with --board: {', '.join(boards)}")
    chosen = board or boards[0]
    if chosen not in boards:
        raise InputError(f"no results of board {chosen}; the results are of {', '.join(boards)}")
    return [named for named in results if named.result.machine.board == chosen]


def choose(results: Sequence[Named], limits: Limits, board: str | None = None) -> Choice:
    """Pick a model within the limits: of the most accurate ones the fastest, and of the fastest ones the smallest.

    Values within the 95 % interval of the best one are equal to it: an image more of ten thousand says nothing.

    Raises:
        InputError: no board or several, no model with an accuracy, or a model in two files.
    """
    results = of_board(results, board)
    chosen = results[0].result.machine.board
    options = _options(results)
    excluded = {name: tuple(option for option in options if not test(option)) for name, test in limits.tests().items()}
    left = [option for option in options if not any(option in found for found in excluded.values())]
    front = sorted(
        (options[number] for number in pareto_front([option.costs for option in options])), key=lambda option: option.latency_us
    )
    unjudged = [model.label for named in results for model in find_models(named.result) if model.accuracy is None]
    pick = _best(left)
    runner_up = _best([option for option in left if option is not pick])
    equal = sorted(_most_accurate(left), key=lambda option: (option is not pick, option.latency_us))
    return Choice(chosen, tuple(options), tuple(front), excluded, pick, runner_up, tuple(equal), tuple(unjudged))


def _best(options: Sequence[Option]) -> Option | None:
    fastest = _fastest(_most_accurate(options))
    return min(fastest, key=lambda option: (option.bytes, option.latency_us, -option.percent), default=None)


def _most_accurate(options: Sequence[Option]) -> list[Option]:
    """The options whose accuracy is within the interval of the best one."""
    best = max(options, key=lambda option: option.percent, default=None)
    return [option for option in options if best and option.percent >= best.percent_interval[0]]


def _fastest(options: Sequence[Option]) -> list[Option]:
    """The options whose latency is within the interval of the lowest one."""
    best = min(options, key=lambda option: option.latency_us, default=None)
    return [option for option in options if best and option.latency_us <= max(best.latency_us, best.latency_interval[1])]


def _options(results: Sequence[Named]) -> list[Option]:
    found: dict[tuple[str, str, str], Option] = {}
    for named in results:
        board = named.result.machine.board
        for model in find_models(named.result):
            if model.accuracy is None:
                continue
            if model.key in found:
                raise InputError(f"{model.label} is in two of the files; give the one that counts")
            found[model.key] = _option(board, model, model.accuracy)
    if not found:
        raise InputError(
            f"the results of {results[0].result.machine.board} have no model with an accuracy; give digits bench --data"
        )
    return list(found.values())


def _option(board: str, model: ModelResult, accuracy: Accuracy) -> Option:
    latency_us = median_ns(model.median_turns) / 1_000
    low, high = median_interval(model.median_turns) or (1_000 * latency_us,) * 2
    return Option(board, model, latency_us, accuracy.percent, model.file_bytes, (low / 1_000, high / 1_000), accuracy.interval)


def is_shipped(option: Option) -> bool:
    """Whether its FlatBuffer is that of a shipped model, whatever it is called."""
    return _shipped(option.model) is not None


def next_command(option: Option) -> str:
    """The command that checks a model: its golden images, or what is known of a file without a manifest."""
    model = option.model
    if shipped := _shipped(model):
        return f"digits verify {shipped.stem}"
    return f"digits {'verify' if model.recipe in SHORT_NAMES else 'inspect'} {quote(model.file)}"


def _shipped(model: ModelResult) -> Path | None:
    """The shipped file with the same FlatBuffer."""
    return next((path for path in sorted(MODELS.glob("*.tflite")) if read_model_file(path).sha256 == model.sha256), None)
