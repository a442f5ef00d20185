"""Benchmark results as tables, and figures as text with their units."""

from collections.abc import Sequence

from benchmarks.results.results import OURS, BenchResult, ModelResult, Turn
from benchmarks.stats.intervals import median_interval, median_ns, tail_interval, tail_ns
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.text_table import text_table
from edge_runtime.model.recipe_names import short_recipe

HEADER = (
    "model",
    "recipe",
    "file",
    "payload",
    "test accuracy (95 % interval)",
    "p50",
    "95 % interval",
    "p90",
    "p99 (95 % interval)",
    "photo",
    "cold start",
    "memory",
)
Row = tuple[str, ...]


def rows(result: BenchResult) -> list[Row]:
    """One row per model, in the order of the results."""
    return [_row(model) for model in result.models]


def drop_empty_columns(header: Row, body: Sequence[Row]) -> tuple[Row, list[Row]]:
    """A table without the columns in which no row has a value; a dash is no value."""
    kept = [column for column in range(len(header)) if not body or any(row[column] not in ("", "-") for row in body)]
    found, *rest = [tuple(row[column] for column in kept) for row in (header, *body)]
    return found, rest


def terminal_table(header: Row, body: Sequence[Row]) -> str:
    """A table for a terminal, without empty columns."""
    return text_table(*drop_empty_columns(header, body))


def as_markdown(header: Row, body: Sequence[Row]) -> str:
    """A table in Markdown."""
    rule = tuple("---" for _ in header)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *body))


def machine_line(result: BenchResult) -> str:
    """The machine and the settings of a run, in one line."""
    machine = result.machine
    threads = f"{result.threads} thread{'s' if result.threads > 1 else ''}"
    return (
        f"{machine.board}: {machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, {machine.system}, "
        f"Python {machine.python}, {machine.runtime}, {threads}, batch 1"
    )


def microseconds(nanoseconds: int | None) -> str:
    """Such as `12.3 us`; a dash for None."""
    return "-" if nanoseconds is None else f"{nanoseconds / 1_000:,.1f} us"


def milliseconds(nanoseconds: int | None) -> str:
    """Such as `1.23 ms`; a dash for None."""
    return "-" if nanoseconds is None else f"{nanoseconds / 1_000_000:,.2f} ms"


def kilobytes(count: int) -> str:
    """Such as `49.4 KB`: 1 KB is 1,000 bytes."""
    return f"{count / 1_000:,.1f} KB"


def accuracy_text(accuracy: Accuracy | None) -> str:
    """Such as `99.36 % (99.18 to 99.50)`."""
    if accuracy is None:
        return "-"
    low, high = accuracy.interval
    return f"{accuracy.percent:.2f} % ({low:.2f} to {high:.2f})"


def tail_text(model: ModelResult, percent: int) -> str:
    """A high percentile, such as `28.4 us (25.1 to 33.0)`; a dash for too few calls."""
    interval = tail_interval(model, percent)
    ends = f" ({interval[0] / 1_000:,.1f} to {interval[1] / 1_000:,.1f})" if interval else ""
    return microseconds(tail_ns(model, percent)) + ends


def interval_text(turns: Sequence[Turn]) -> str:
    """The interval of the median, such as `12.1 to 12.4 us`; a dash if there is none."""
    interval = median_interval(turns)
    return "-" if interval is None else f"{interval[0] / 1_000:,.1f} to {interval[1] / 1_000:,.1f} us"


def middle(samples: Sequence[int | None]) -> int | None:
    """The upper median of the known values; None if there are none."""
    known = sorted(sample for sample in samples if sample is not None)
    return known[len(known) // 2] if known else None


def photo_ns(model: ModelResult) -> int | None:
    """The median of the way from a photo file to a label; None if it was not timed."""
    return median_ns(model.photo) if model.photo else None


def accuracy_note(result: BenchResult) -> str:
    """Where accuracies are from that this run did not measure; "" if it measured them."""
    if not any(model.accuracy_stated for model in result.models):
        return ""
    return (
        "accuracies are those of the manifests, proven at conversion; the golden images came out here as they did there. "
        "--data measures accuracies here"
    )


def memory_text(model: ModelResult) -> str:
    """Steady memory of a process, such as `38.1 MB`; a dash where the system does not report it."""
    steady = middle([start.steady_bytes for start in model.cold])
    return "-" if steady is None else f"{steady / 1e6:,.1f} MB"


def _row(model: ModelResult) -> Row:
    return (
        model.name if model.way == OURS else f"{model.name} by {model.way}",
        short_recipe(model.recipe),
        kilobytes(model.file_bytes) if model.loads_file else "-",
        kilobytes(model.payload_bytes) if model.loads_file else "-",
        accuracy_text(model.accuracy),
        microseconds(median_ns(model.median_turns)),
        interval_text(model.median_turns),
        microseconds(tail_ns(model, 90)),
        tail_text(model, 99),
        milliseconds(photo_ns(model)),
        milliseconds(middle([start.total_ns for start in model.cold])),
        memory_text(model),
    )
