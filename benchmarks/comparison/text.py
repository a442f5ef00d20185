"""Several results as text: Markdown tables, and which models became slower. Needs no package that a board has not."""

from collections.abc import Sequence

from benchmarks.comparison.comparable import Named
from benchmarks.comparison.regressions import FALSE_ALARMS, MIN_SLOWDOWN, Diff, Times
from benchmarks.reporting.tables import (
    HEADER,
    Row,
    accuracy_note,
    as_markdown,
    drop_empty_columns,
    machine_line,
    microseconds,
    rows,
)
from benchmarks.reporting.warnings import notes
from benchmarks.results.results import BenchResult

DIFF_HEADER = ("model", "p50 old", "p50 new", "new / old", "relative to the reference", "95 % interval", "p (Holm)", "change")


def markdown(results: Sequence[Named]) -> str:
    """A Markdown table for each result, with its machine, command, warnings, and what could not be measured."""
    return "\n\n".join(_markdown(named.result) for named in results) + "\n"


def _markdown(result: BenchResult) -> str:
    note = accuracy_note(result)
    lines = [*([f"note: {note}"] if note else []), *notes(result)]
    table = as_markdown(*drop_empty_columns(HEADER, rows(result)))
    text = f"{table}\n\n{machine_line(result)}. Command: `{result.command}`."
    return "\n".join((f"{text}\n", *(f"- {line}" for line in lines))) if lines else text


def diff_rows(found: Diff) -> list[Row]:
    """A row for each model of both runs, and for the reference model."""
    label, times = found.reference
    return [
        *(
            (
                one.label,
                *_times_cells(one.times),
                f"{one.ratio:.3f}",
                f"{one.interval[0]:.3f} to {one.interval[1]:.3f}",
                f"{one.p:.2g}",
                "SLOWER" if one.slower else "faster" if one.faster else "",
            )
            for one in found.differences
        ),
        *((label, *_times_cells(times), "-", "-", "-", "is the reference") for label, times in found.itself),
        (f"reference: {label}", *_times_cells(times), "-", "-", "-", ""),
    ]


def _times_cells(times: Times) -> Row:
    return microseconds(int(times.old)), microseconds(int(times.new)), f"{times.ratio:.3f}"


def diff_verdict(found: Diff) -> str:
    """What a comparison of two runs shows, in one sentence."""
    if not found.differences:
        return "nothing was compared: the runs have no model in common but the reference model"
    count = len(found.differences)
    models = f"{count} model{'s' * (count > 1)}"
    faster = [f"{one.label} ({100 * (1 - one.ratio):.1f} % less time)" for one in found.differences if one.faster]
    slower = [f"{one.label} ({100 * (one.ratio - 1):.1f} % more time)" for one in found.slower]
    parts = [f"{len(slower)} of {models} became slower: {', '.join(slower)}" if slower else f"none of {models} became slower"]
    return "; ".join([*parts, *([f"{len(faster)} became faster: {', '.join(faster)}"] if faster else [])])


def diff_rule() -> str:
    """When a model is called slower."""
    return (
        f"slower: by more than {100 * MIN_SLOWDOWN:g} % relative to the reference model of the same run, and significantly: chance alone "
        f"would give any such model in less than {100 * FALSE_ALARMS:g} % of unchanged runs"
    )
