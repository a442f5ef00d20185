"""Whether results can be compared, and how their conditions differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from benchmarks.results.results import BenchResult, Turn, read_results
from edge_runtime.errors import InputError


@dataclass(frozen=True)
class Named:
    """Results, and the name of their file, with folders where two files have the same name."""

    name: str
    result: BenchResult


def read_all(paths: Sequence[Path]) -> list[Named]:
    """Read results files.

    Raises:
        InputError: a file cannot be used, or the same file or run is given twice.
    """
    if repeated := {path for path in paths if paths.count(path) > 1}:
        raise InputError(f"{min(repeated)}: given twice")
    found = [Named(name, read_results(path)) for name, path in zip(_names(paths), paths, strict=True)]
    for (path, one), (other_path, other) in combinations(zip(paths, found, strict=True), 2):
        if _samples(one.result) == _samples(other.result):
            raise InputError(f"{path} and {other_path} are the same run; give results of different runs")
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    """The end of each path that no other one has, without the suffix of the file."""
    parts = [path.resolve().with_suffix("").parts for path in paths]
    for count in range(1, max(map(len, parts))):
        names = ["/".join(part[-count:]) for part in parts]
        if len({*names}) == len(names):
            return names
    return [str(path) for path in paths]


def _samples(result: BenchResult) -> list[tuple[Turn, ...]]:
    """Samples, which identify a run: no other run measures the same nanoseconds."""
    return [model.turns for model in (result.reference, *result.models)]


def check_comparable(results: Sequence[Named], *, one_machine: bool = False) -> list[str]:
    """Check that results can be compared.

    Args:
        results: the results.
        one_machine: whether they must be of one machine.

    Returns:
        In what else they differ, and what is unknown, as text.

    Raises:
        InputError: they have different test images, numbers of threads or reference models, or two machines have one name.
    """
    first = results[0]
    with_accuracy = [named for named in results if named.result.split]
    for other in with_accuracy[1:]:
        _same(with_accuracy[0], other, "accuracies are of different images", lambda result: (result.split, result.data_sha256))
    for other in results[1:]:
        _same(first, other, "numbers of threads differ", lambda result: result.threads)
        _same(first, other, "reference models differ", lambda result: result.reference.sha256)
    boards: dict[str, list[Named]] = {}
    for named in results:
        boards.setdefault("" if one_machine else named.result.machine.board, []).append(named)
    unknown = [text for board in boards.values() for text in _check_machine(board, one_machine=one_machine)]
    return [*unknown, *(text for other in results[1:] for text in _differences(first, other))]


def _check_machine(board: Sequence[Named], *, one_machine: bool) -> list[str]:
    """Check that results are of one machine; what older results do not say is returned as text."""
    problem = "machines differ" if one_machine else "two machines have the same name"
    processors: list[tuple[list[Named], Callable[[BenchResult], object]]] = [
        ([named for named in board if _has_processor(named)], _hardware),
        (list(board), _architecture),
        ([named for named in board if named.result.machine.simd], lambda result: (*_architecture(result), *result.machine.simd)),
    ]
    for known, value in processors:
        for other in known[1:]:
            _same(known[0], other, problem, value)
    return [
        f"{what}: unknown in {', '.join(found.name for found in unknown)}, so it may be another machine"
        for what, unknown in (
            ("processor", [found for found in board if not _has_processor(found)]),
            ("instruction sets of the processor", [found for found in board if not found.result.machine.simd]),
        )
        if unknown and len(board) > 1
    ]


def _has_processor(named: Named) -> bool:
    """Older results of ARM boards but Raspberry Pis have the architecture as the processor."""
    return named.result.machine.cpu != named.result.machine.architecture


def _architecture(result: BenchResult) -> tuple[str, ...]:
    return result.machine.architecture, f"{result.machine.cores} cores"


def _hardware(result: BenchResult) -> tuple[str, ...]:
    machine = result.machine
    return machine.cpu, machine.architecture, f"{machine.cores} cores"


def _same(first: Named, other: Named, problem: str, value: Callable[[BenchResult], object]) -> None:
    one, another = value(first.result), value(other.result)
    if one != another:
        raise InputError(f"{first.name} and {other.name} cannot be compared: {problem} ({_text(one)}; {_text(another)})")


def _text(value: object) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return " ".join(str(part)[:40] for part in parts if part != "") or "none"


def _accuracies(result: BenchResult) -> str:
    stated = any(model.accuracy_stated for model in result.models)
    return f"{'stated by manifests, ' if stated else ''}of {result.split} images" if result.split else "none"


def _differences(first: Named, other: Named) -> list[str]:
    facts: dict[str, Callable[[BenchResult], str]] = {
        "edge-digits": lambda result: result.edge_digits,
        "runtime": lambda result: result.machine.runtime,
        "Python": lambda result: result.machine.python,
        "numpy": lambda result: result.machine.numpy,
        "system": lambda result: result.machine.system,
        "processors": lambda result: " ".join(map(str, result.pinned)) or "all",
        "samples": lambda result: f"{result.samples:,}",
        "accuracies": _accuracies,
        "photo": lambda result: result.photo_sha256[:8] or "none",
    }
    return [
        f"{name}: {one} in {first.name}, {another} in {other.name}"
        for name, fact in facts.items()
        if (one := fact(first.result)) != (another := fact(other.result))
    ]
