"""The sections of the page about several results files: warnings first, then tables and plots."""

from collections.abc import Sequence

from benchmarks.comparison import plots
from benchmarks.comparison.choose import Limits, choose
from benchmarks.comparison.comparable import Named
from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.reporting.html import Notes, Picture, Section, Table
from benchmarks.reporting.tables import (
    HEADER,
    Row,
    accuracy_note,
    machine_line,
    microseconds,
    middle,
    milliseconds,
    rows,
)
from benchmarks.reporting.warnings import by_kind, is_disturbed
from benchmarks.results.results import ModelResult
from benchmarks.stats.intervals import Ratio, median_ns, ratio
from edge_runtime.errors import InputError

DISTURBED = "disturbed"
_COLD_HEADER = (
    "results",
    "model",
    "process",
    "imports",
    "load",
    "first answer",
    "total",
    "memory",
    "peak memory",
    "installed",
)


def sections(results: Sequence[Named], differences: Sequence[str]) -> list[Section]:
    """The whole page: plots, then tables, then notes by kind. `differences`: those that `check_comparable` returned."""
    return [
        Section(
            "Models",
            paragraphs=[_origin(named) for named in results],
            warnings=differences,
            pictures=_model_plots(results),
            tables=(
                Table(
                    ("results", *HEADER),
                    [(named.name, *row) for named in results for row in rows(named.result)],
                    "Medians and tails of one image; click on a heading to sort. docs/benchmarking.md explains the measurement.",
                ),
            ),
            notes=_notes(results),
        ),
        *_conditions(results),
        *_extra_tables(results),
        *_cold_starts(results),
        Section(
            "Differences",
            paragraphs=(
                "Each model's median over that of the first model of its run, within each process. "
                "Where the interval contains 1, the run does not tell which of the two is faster.",
            ),
            tables=(
                Table(("results", "model", "over", "ratio", "95 % interval"), [row for named in results for row in _ratios(named)]),
            ),
        ),
    ]


def _origin(named: Named) -> str:
    """The machine, the command, and where the accuracies are from."""
    note = accuracy_note(named.result)
    return f"{named.name}: {machine_line(named.result)}. Command: {named.result.command}." + (f" Note: {note}." if note else "")


def verdict(results: Sequence[Named]) -> str:
    """The page in one sentence: which model to take on each board, or the fastest one where accuracies do not decide."""
    boards: dict[str, list[Named]] = {}
    for named in results:
        boards.setdefault(named.result.machine.board, []).append(named)
    return "; ".join(f"{board}: {_verdict(found)}" for board, found in boards.items()) + "."


def _verdict(board: Sequence[Named]) -> str:
    try:
        found = choose(board, Limits())
    except InputError:  # without accuracies, or with a model in two files
        model = min((model for named in board for model in named.result.models), key=lambda model: median_ns(model.median_turns))
        return f"{model.label} is the fastest, {microseconds(median_ns(model.median_turns))} an image"
    assert found.pick
    figures = f"{found.pick.percent:.2f} % right, {found.pick.latency_us:,.1f} us an image, {found.pick.bytes:,} bytes"
    equal = f"the fastest of {len(found.equal)} that are equally accurate" if len(found.equal) > 1 else "the most accurate"
    return f"take {found.pick.label}, {equal}: {figures}"


def _model_plots(results: Sequence[Named]) -> list[Picture]:
    """Plots of each results file; those of several have the same axes."""
    judged = [named.result for named in results if any(model.accuracy for model in named.result.models)]
    pictures = []
    for named in results:
        if named.result in judged:
            pictures += [
                Picture(
                    plots.accuracy_against_latency(named.result, judged),
                    f"{named.name}: accuracy against latency, with the Pareto front",
                ),
                Picture(
                    plots.accuracy_against_size(named.result, judged), f"{named.name}: accuracy against size, with the Pareto front"
                ),
            ]
    every = [named.result for named in results]
    text = "p50, p90 and p99 of one image, with the 95 % interval of p99"
    return [*pictures, *(Picture(plots.tails(named.result, every), f"{named.name}: {text}") for named in results)]


def _notes(results: Sequence[Named]) -> list[Notes]:
    """Warnings of all results by kind, and what could not be measured."""
    found: dict[str, list[str]] = {}
    for named in results:
        for kind, texts in (
            *by_kind(named.result).items(),
            ("not measured", [f"not measured: {text}" for text in named.result.absent]),
        ):
            found.setdefault(kind, []).extend(f"{named.name}: {text}" for text in texts)
    return [Notes(kind, texts) for kind, texts in found.items() if texts]


def _ratios(named: Named) -> list[Row]:
    first = named.result.models[0]
    return [(named.name, model.label, first.label, *ratio_cells(ratio(model, first))) for model in named.result.models[1:]]


def ratio_cells(found: Ratio) -> Row:
    """The value and its interval as text."""
    interval = "-" if found.interval is None else f"{found.interval[0]:.3f} to {found.interval[1]:.3f}"
    return f"{found.value:.3f}", interval


def _conditions(results: Sequence[Named]) -> list[Section]:
    """The state of the machine in each part of a run, and each process's median; disturbed processes are marked in both."""
    body = [
        (
            named.name,
            found.when,
            DISTURBED if is_disturbed(found) else "",
            f"{found.seconds:,.1f}",
            *(_value_text(value, " %") for value in (found.busy_percent, found.stolen_percent, found.waited_percent)),
            *(_value_text(value, unit) for value, unit in ((found.megahertz, " MHz"), (found.celsius, " C"))),
        )
        for named in results
        for found in named.result.conditions
    ]
    if not body:
        return []
    header = ("results", "when", "state", "seconds", "other programs", "hypervisor", "waited", "frequency", "temperature")
    caption = f"{DISTURBED}: slowed by other programs, a hypervisor or throttling. Waited: measured processes, for a processor."
    pictures = [
        Picture(
            plots.processes(named.result, [other.result for other in results]),
            f"{named.name}: each process's median over that of all; crosses: {DISTURBED}",
        )
        for named in results
    ]
    return [Section("State of the machine", tables=(Table(header, body, caption),), pictures=pictures)]


def _value_text(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:,.1f}{unit}"


def _extra_tables(results: Sequence[Named]) -> list[Section]:
    """Bound, LoadGen and sustained load: a table for each results file, since captions state speeds of its machine."""
    return [
        Section(f"{table.name}: {named.name}", tables=(Table(table.header, table.rows, table.caption),))
        for named in results
        for table in extra_tables(named.result)
    ]


def _cold_starts(results: Sequence[Named]) -> list[Section]:
    started = [(named, model) for named in results for model in named.result.models if model.cold]
    if not started:
        return []
    body = [(named.name, model.label, *_cold_cells(model)) for named, model in started]
    every = [named.result for named in results]
    pictures = [
        Picture(plots.cold_starts(named.result, every), f"{named.name}: from the start of Python to the first answer, by parts")
        for named in results
        if any(model.cold for model in named.result.models)
    ]
    caption = "Medians of several processes. Memory: proportional set size after some answers. Installed: packages with their requirements."
    return [Section("Cold start and memory", tables=(Table(_COLD_HEADER, body, caption),), pictures=pictures)]


def _cold_cells(model: ModelResult) -> Row:
    parts = (
        [start.process_ns for start in model.cold],
        [start.imports_ns for start in model.cold],
        [start.load_ns for start in model.cold],
        [start.first_ns for start in model.cold],
        [start.total_ns for start in model.cold],
    )
    memory = (
        [start.steady_bytes for start in model.cold],
        [start.peak_bytes for start in model.cold],
        [sum(model.installed.values())],
    )
    return (*(milliseconds(middle(part)) for part in parts), *(_megabytes(middle(part)) for part in memory))


def _megabytes(count: int | None) -> str:
    return "-" if not count else f"{count / 1e6:,.1f} MB"
