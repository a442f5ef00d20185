"""A result as lines for a terminal: one table, and one line per kind of warning. `digits report` shows everything."""

import re
from collections.abc import Iterator

from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.reporting.tables import HEADER, accuracy_note, machine_line, middle, photo_ns, rows, terminal_table
from benchmarks.reporting.warnings import summary
from benchmarks.results.results import OURS, BenchResult, ModelResult, find_models
from benchmarks.stats.intervals import median_ns
from edge_runtime.model.recipe_names import SHORT_NAMES

_UNITS = (("us", 1e3, 1e6), ("ms", 1e6, 1e8), ("s", 1e9, float("inf")))  # name, nanoseconds, below how many it is used


def result_lines(result: BenchResult) -> Iterator[str]:
    """The machine, the table of models, tables that an option asked for, warnings, and what could not be measured."""
    yield machine_line(result)
    yield terminal_table(HEADER, rows(result))
    if note := accuracy_note(result):
        yield f"note: {note}"
    for table in extra_tables(result):
        if table.optional:
            yield f"\n{table.name}. {table.caption}\n{terminal_table(table.header, table.rows)}"
    yield from (f"warning: {text}" for text in summary(result))
    yield from (f"not measured: {text}" for text in result.absent)


def closing_lines(result: BenchResult) -> list[str]:
    """Each model of our classifier in one line, with what a user of that board wants to know."""
    return [_closing_line(result, model) for model in find_models(result, (OURS,))]


def _closing_line(result: BenchResult, model: ModelResult) -> str:
    photo, memory = photo_ns(model), middle([start.steady_bytes for start in model.cold])
    started = middle([start.total_ns for start in model.cold])
    parts = [
        f"{rounded_time(median_ns(model.median_turns))} a digit",
        f"{rounded_time(photo)} a photo" if photo is not None else "",
        _accuracy(model),
        f"{memory / 1e6:.0f} MB" if memory is not None else "",
        f"{rounded_time(started)} to the first answer" if started is not None else "",
    ]
    return f"{_model_name(model)} on {_board(result)}: {', '.join(filter(None, parts))}"


def _model_name(model: ModelResult) -> str:
    """As the command takes it: small, base-fp32."""
    short = SHORT_NAMES.get(model.recipe, "int8")
    return model.name if short == "int8" else f"{model.name}-{short}"


def _board(result: BenchResult) -> str:
    """The name that was given or that the device tree has, without the revision; else the processor's."""
    machine = result.machine
    return machine.cpu if machine.board == machine.architecture else re.sub(r" Rev [\d.]+$", "", machine.board)


def _accuracy(model: ModelResult) -> str:
    golden = ""
    if found := model.golden:
        tolerance = "" if found.passed or found.equal < found.images else ", outputs out of tolerance"
        golden = f"{found.equal} of {found.images} golden images equal here{tolerance}"
    if model.accuracy is None:
        return f"accuracy unknown ({golden})" if golden else "accuracy unknown"
    source = "as proven at conversion" if model.accuracy_stated else f"of {model.accuracy.total:,} images here"
    return f"{model.accuracy.percent:.2f} % right ({'; '.join(filter(None, (source, golden)))})"


def rounded_time(nanoseconds: int) -> str:
    """A time for people, in two digits: 4.6 us, 41 us, 12 ms, 0.4 s."""
    rounded = float(f"{nanoseconds:.2g}")
    name, size = next((name, size) for name, size, limit in _UNITS if rounded < limit)
    return f"{rounded / size:g} {name}"
