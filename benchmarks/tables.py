"""Benchmark results as tables: the one place where nanoseconds and bytes become other units."""

from collections.abc import Sequence

from benchmarks.percentiles import percentile
from benchmarks.results import BenchResult, ModelResult
from edge_runtime.statistics import Accuracy

HEADER = ("model", "recipe", "file", "payload", "test accuracy (95 % interval)", "p50", "p90", "p99", "load", "first answer")
Row = tuple[str, ...]


def rows(result: BenchResult) -> list[Row]:
    """One row a model, in the order of the results."""
    return [_row(model) for model in result.models]


def as_markdown(header: Row, body: Sequence[Row]) -> str:
    """A table for a README."""
    rule = tuple("---" for _ in header)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *body))


def machine_line(result: BenchResult) -> str:
    """Where the results are from, in one line."""
    machine = result.machine
    threads = f"{result.threads} thread{'s' if result.threads > 1 else ''}"
    return (
        f"{machine.board}: {machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, {machine.system}, "
        f"Python {machine.python}, {machine.runtime}, {threads}, batch 1"
    )


def warnings(result: BenchResult) -> list[str]:
    """What a reader of the results should know before believing them."""
    found = []
    if result.machine.busy_percent > 20:
        found.append(f"the machine was {result.machine.busy_percent:.0f} % busy with other work when this began")
    for model in result.models:
        median, p90 = percentile(model.steady_ns, 50), percentile(model.steady_ns, 90)
        if median and p90 and p90 > 1.5 * median:
            found.append(f"{model.name} {model.recipe}: p90 is {p90 / median:.1f} times the median, so times are noisy")
    if any(model.recipe == "static_wi8_ai16" for model in result.models):
        found.append("16-bit activations run in reference kernels, without XNNPACK" + _how_much_slower(result))
    return found


def _how_much_slower(result: BenchResult) -> str:
    """Median latency with 16-bit activations over that with 8-bit ones, of each model that has both."""
    medians = {(model.name, model.recipe): percentile(model.steady_ns, 50) for model in result.models}
    ratios = [
        f"{name} {wide / narrow:.1f} times"
        for (name, recipe), wide in medians.items()
        if recipe == "static_wi8_ai16" and wide and (narrow := medians.get((name, "static_wi8_ai8")))
    ]
    return f"; against 8-bit ones they took: {', '.join(ratios)}" if ratios else ""


def microseconds(nanoseconds: int | None) -> str:
    """Such as `12.3 us`; a dash where there is no figure."""
    return "-" if nanoseconds is None else f"{nanoseconds / 1_000:,.1f} us"


def milliseconds(nanoseconds: int | None) -> str:
    """Such as `1.23 ms`; a dash where there is no figure."""
    return "-" if nanoseconds is None else f"{nanoseconds / 1_000_000:,.2f} ms"


def kilobytes(count: int) -> str:
    """Such as `49.4 KB`, in thousands of bytes."""
    return f"{count / 1_000:,.1f} KB"


def accuracy_text(accuracy: Accuracy | None) -> str:
    """Such as `99.36 % (99.18 to 99.50)`."""
    if accuracy is None:
        return "-"
    low, high = accuracy.interval
    return f"{accuracy.percent:.2f} % ({low:.2f} to {high:.2f})"


def _row(model: ModelResult) -> Row:
    return (
        model.name,
        model.recipe,
        kilobytes(model.file_bytes),
        kilobytes(model.payload_bytes),
        accuracy_text(model.accuracy),
        *(microseconds(percentile(model.steady_ns, percent)) for percent in (50, 90, 99)),
        milliseconds(_middle(model.load_ns)),
        milliseconds(_middle(model.first_ns)),
    )


def _middle(samples: Sequence[int]) -> int | None:
    return sorted(samples)[len(samples) // 2] if samples else None
