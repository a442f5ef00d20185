"""Whether results may stand beside each other, and in what they differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from benchmarks.results.results import BenchResult, Turn, read_results
from edge_runtime.errors import InputError


@dataclass(frozen=True)
class Named:
    """Results and the name of their file."""

    name: str
    result: BenchResult


def read_all(paths: Sequence[Path]) -> list[Named]:
    """Read results files.

    Raises:
        InputError: one cannot be used, or the same file or run is given twice.
    """
    if repeated := {path for path in paths if paths.count(path) > 1}:
        raise InputError(f"{min(repeated)}: is given twice")
    found = [Named(path.stem, read_results(path)) for path in paths]
    for (path, one), (other_path, other) in combinations(zip(paths, found, strict=True), 2):
        if _samples(one.result) == _samples(other.result):
            raise InputError(f"{path} and {other_path} are the same run: it would only agree with itself")
    return found


def _samples(result: BenchResult) -> list[tuple[Turn, ...]]:
    """What no second run measures again to the nanosecond, whatever it is called."""
    return [model.turns for model in (result.reference, *result.models)]


def check_comparable(results: Sequence[Named], *, one_machine: bool = False) -> list[str]:
    """Refuse results that would mislead beside each other.

    Args:
        results: what shall stand beside each other.
        one_machine: whether they have to be of one machine.

    Returns:
        In what else they differ, and what nobody knows of them, in words.

    Raises:
        InputError: other test images, other numbers of threads, another reference model, or two machines under one name.
    """
    first = results[0]
    judged = [named for named in results if named.result.split]
    for other in judged[1:]:
        _same(judged[0], other, "accuracies are of other images", lambda result: (result.split, result.data_sha256))
    for other in results[1:]:
        _same(first, other, "numbers of threads differ", lambda result: result.threads)
        _same(first, other, "reference models differ", lambda result: result.reference.sha256)
    boards: dict[str, list[Named]] = {}
    for named in results:
        boards.setdefault("" if one_machine else named.result.machine.board, []).append(named)
    unknown = [text for board in boards.values() for text in _check_machine(board, one_machine=one_machine)]
    return [*unknown, *(text for other in results[1:] for text in _differences(first, other))]


def _check_machine(board: Sequence[Named], *, one_machine: bool) -> list[str]:
    """Refuse results of several machines; says of which nobody knows. Results that do not tell instruction sets prove nothing by it."""
    problem = "machines differ" if one_machine else "two machines go by one name"
    for other in board[1:]:
        _same(board[0], other, problem, _hardware)
    telling = [named for named in board if named.result.machine.simd]
    for other in telling[1:]:
        _same(telling[0], other, problem, lambda result: (*_hardware(result), *result.machine.simd))
    silent = [named.name for named in board if not named.result.machine.simd]
    if len(board) == 1 or not silent:
        return []
    return [f"instruction sets of the processor: not told in {', '.join(silent)}; nobody knows whether that is the same machine"]


def _hardware(result: BenchResult) -> tuple[str, ...]:
    machine = result.machine
    return machine.cpu, machine.architecture, f"{machine.cores} cores"


def _same(first: Named, other: Named, problem: str, value: Callable[[BenchResult], object]) -> None:
    mine, theirs = value(first.result), value(other.result)
    if mine != theirs:
        raise InputError(f"{first.name} and {other.name} cannot be compared: {problem} ({_text(mine)}; {_text(theirs)})")


def _text(value: object) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return " ".join(str(part)[:40] for part in parts if part != "") or "none"


def _differences(first: Named, other: Named) -> list[str]:
    facts: dict[str, Callable[[BenchResult], str]] = {
        "edge-digits": lambda result: result.edge_digits,
        "runtime": lambda result: result.machine.runtime,
        "Python": lambda result: result.machine.python,
        "numpy": lambda result: result.machine.numpy,
        "system": lambda result: result.machine.system,
        "processors": lambda result: " ".join(map(str, result.pinned)) or "all",
        "samples": lambda result: f"{result.samples:,}",
        "accuracies": lambda result: f"of {result.split} images" if result.split else "none",
    }
    return [
        f"{name}: {mine} in {first.name}, {theirs} in {other.name}"
        for name, fact in facts.items()
        if (mine := fact(first.result)) != (theirs := fact(other.result))
    ]
