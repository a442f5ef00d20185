"""A result as lines for a terminal: one table, and one line per kind of warning. `digits report` shows everything."""

from collections.abc import Iterator

from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.reporting.tables import HEADER, machine_line, rows, terminal_table
from benchmarks.reporting.warnings import summary
from benchmarks.results.results import BenchResult


def result_lines(result: BenchResult) -> Iterator[str]:
    """The machine, the table of models, tables that an option asked for, warnings, and what could not be measured."""
    yield machine_line(result)
    yield terminal_table(HEADER, rows(result))
    for table in extra_tables(result):
        if table.optional:
            yield f"\n{table.name}. {table.caption}\n{terminal_table(table.header, table.rows)}"
    yield from (f"warning: {text}" for text in summary(result))
    yield from (f"not measured: {text}" for text in result.absent)
