"""Choosing a model: the models within the limits, the Pareto front, the pick and the runner-up."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from benchmarks.comparison.comparable import Named
from benchmarks.results.results import ModelResult, find_models
from benchmarks.stats.intervals import median_ns
from benchmarks.stats.pareto import pareto_front
from edge_runtime.errors import InputError
from edge_runtime.model.model_file import MODELS, read_model_file
from edge_runtime.model.recipe_names import SHORT_NAMES


@dataclass(frozen=True)
class Option:
    """A model on a board. latency_us: median of one image. percent: test accuracy. bytes: of the file."""

    board: str
    model: ModelResult
    latency_us: float
    percent: float
    bytes: int

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
    there is none. unjudged: labels of our models without an accuracy, which are no options.
    """

    board: str
    options: tuple[Option, ...]
    front: tuple[Option, ...]
    excluded: dict[str, tuple[Option, ...]]
    pick: Option | None
    runner_up: Option | None
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
    """Pick the most accurate model within the limits; of equally accurate ones the fastest, then the smallest.

    Raises:
        InputError: no board or several, no model with an accuracy, or a model in two files.
    """
    results = of_board(results, board)
    chosen = results[0].result.machine.board
    options = _options(results)
    excluded = {name: tuple(option for option in options if not test(option)) for name, test in limits.tests().items()}
    left = sorted(
        (option for option in options if not any(option in found for found in excluded.values())),
        key=lambda option: (-option.percent, option.latency_us, option.bytes),
    )
    front = sorted(
        (options[number] for number in pareto_front([option.costs for option in options])), key=lambda option: option.latency_us
    )
    unjudged = [model.label for named in results for model in find_models(named.result) if model.accuracy is None]
    pick, runner_up = [*left, None, None][:2]
    return Choice(chosen, tuple(options), tuple(front), excluded, pick, runner_up, tuple(unjudged))


def _options(results: Sequence[Named]) -> list[Option]:
    found: dict[tuple[str, str, str], Option] = {}
    for named in results:
        board = named.result.machine.board
        for model in find_models(named.result):
            if model.accuracy is None:
                continue
            if model.key in found:
                raise InputError(f"{model.label} is in two of the files; give the one that counts")
            latency_us = median_ns(model.median_turns) / 1_000
            found[model.key] = Option(board, model, latency_us, model.accuracy.percent, model.file_bytes)
    if not found:
        raise InputError(
            f"the results of {results[0].result.machine.board} have no model with an accuracy; run digits bench without --no-accuracy"
        )
    return list(found.values())


@dataclass(frozen=True)
class Commands:
    """Commands that make a model, and commands that check it."""

    make: tuple[str, ...]
    check: tuple[str, ...]


def commands(option: Option) -> Commands:
    """The commands that make and check a model. Shipped models are recognised by content, not by name."""
    model, short = option.model, SHORT_NAMES.get(option.model.recipe)
    if shipped := _shipped(model):
        path, name = shipped
        convert = f"digits convert runs/{name}-seed0/model.keras --recipe {short} --name {name}{_folding(path)}"
        return Commands((f"digits train --release {name} --seed 0", convert), (f"digits verify {path.stem}",))
    if short is None:  # not made by digits convert, so it has no golden images
        return Commands((), (f"digits inspect {quote(model.file)}",))
    make = (f"digits convert {quote(model.name)}.keras --recipe {short} --name {quote(model.name)} --out .",)
    return Commands(make, (f"digits verify {quote(f'{model.name}-{short}.tflite')}",))


def _folding(path: Path) -> str:
    """The --fold-columns option that a shipped file was made with, if any."""
    manifest = read_model_file(path).manifest
    found = re.search(r" --fold-columns \d", manifest.origin.command if manifest else "")
    return found.group() if found else ""


def _shipped(model: ModelResult) -> tuple[Path, str] | None:
    """The shipped file with the same FlatBuffer, and the name of its model."""
    for path in sorted(MODELS.glob("*.tflite")):
        found = read_model_file(path)
        if found.sha256 == model.sha256:
            return path, found.name
    return None
