"""Whether results may stand beside each other, and in what they differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results import BenchResult, read_results
from edge_runtime.errors import InputError


@dataclass(frozen=True)
class Named:
    """Results and the name of their file."""

    name: str
    result: BenchResult


def read_all(paths: Sequence[Path]) -> list[Named]:
    """Read results files.

    Raises:
        InputError: one cannot be used, or the same file is given twice.
    """
    if repeated := {path for path in paths if paths.count(path) > 1}:
        raise InputError(f"{min(repeated)}: is given twice")
    return [Named(path.stem, read_results(path)) for path in paths]


def check_comparable(results: Sequence[Named], *, one_machine: bool = False) -> list[str]:
    """Refuse results that would mislead beside each other.

    Args:
        results: what shall stand beside each other.
        one_machine: whether they have to be of one machine.

    Returns:
        In what else they differ, in words.

    Raises:
        InputError: other test images, other numbers of threads, another reference model, or two machines under one name.
    """
    first = results[0]
    for other in results[1:]:
        _same(first, other, "accuracies are of other images", lambda result: (result.split, result.data_sha256))
        _same(first, other, "numbers of threads differ", lambda result: result.threads)
        _same(first, other, "reference models differ", lambda result: result.reference.sha256)
    boards: dict[str, Named] = {}
    for named in results:
        known = boards.setdefault("" if one_machine else named.result.machine.board, named)
        problem = "machines differ" if one_machine else "two machines go by one name"
        _same(known, named, problem, _hardware)
    return [text for other in results[1:] for text in _differences(first, other)]


def _hardware(result: BenchResult) -> tuple[str, ...]:
    machine = result.machine
    return (machine.cpu, machine.architecture, f"{machine.cores} cores", *machine.simd)


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
    }
    return [
        f"{name}: {mine} in {first.name}, {theirs} in {other.name}"
        for name, fact in facts.items()
        if (mine := fact(first.result)) != (theirs := fact(other.result))
    ]
