"""Conversions as tables: one row a recipe, and one row an operator."""

from collections.abc import Sequence

from convert.conversion import Conversion
from convert.evaluation.layer_errors import LayerError
from edge_runtime.common.text_table import text_table

HEADER = ("recipe", "file B", "payload B", "validation", "test", "agree", "drop (95 % interval)", "p", "us/image", "x fp32", "gate")
_IN_PAGE_ONLY = ("payload B", "validation", "p")
Row = tuple[str, ...]


def as_table(conversions: Sequence[Conversion]) -> str:
    """The table for a terminal, one row a recipe, without empty columns.

    Accuracy in percent and drops in percentage points, on test images, positive where accuracy was lost; us/image: median time; x fp32:
    that over the float file's.
    """
    shown = [column for column, name in enumerate(HEADER) if name not in _IN_PAGE_ONLY]
    rows = [tuple(cells[column] for column in shown) for cells in map(row, conversions)]
    return text_table(*without_empty_columns(tuple(HEADER[column] for column in shown), rows))


def row(conversion: Conversion) -> Row:
    """The cells of one recipe under `HEADER`; latency is empty where it was not measured."""
    validation, test = conversion.manifest.accuracy
    low, high = test.drop_interval
    cost = conversion.cost
    return (
        conversion.recipe.short,
        f"{conversion.model.file_bytes:,}",
        f"{conversion.model.graph.payload_bytes:,}",
        f"{validation.candidate.percent:.2f}",
        f"{test.candidate.percent:.2f} ({test.candidate.correct:,}/{test.candidate.total:,})",
        f"{test.agreeing:,}",
        f"{test.drop:+.2f} [{low:+.2f}, {high:+.2f}]",
        f"{test.mcnemar_p:.3g}",
        f"{cost.nanoseconds / 1_000:.1f}" if cost else "",
        f"{cost.times_float:.2f}" if cost else "",
        "passed" if conversion.manifest.verdict.passed else "FAILED",
    )


def without_empty_columns(header: Row, rows: Sequence[Row]) -> tuple[Row, list[Row]]:
    """A table without the columns that are empty in every row."""
    filled = [column for column in range(len(header)) if any(cells[column] for cells in rows)]
    return tuple(header[column] for column in filled), [tuple(cells[column] for column in filled) for cells in rows]


def as_layer_table(conversions: Sequence[Conversion]) -> str:
    """The error of each operator's output for a terminal: two columns a recipe, signal to noise in dB and cosine."""
    return text_table(*layer_rows(conversions))


def layer_rows(conversions: Sequence[Conversion]) -> tuple[Row, list[Row]]:
    """Header and rows of that table."""
    header = ("operator", *(f"{conversion.recipe.short} {what}" for conversion in conversions for what in ("dB", "cosine")))
    errors = [{layer.output: layer for layer in conversion.evaluation.layers} for conversion in conversions]
    operators = {layer.output: layer.operator for layers in errors for layer in layers.values()}
    rows = [
        (f"{place} {kind}", *(cell for layers in errors for cell in _layer_cells(layers.get(output))))
        for place, (output, kind) in enumerate(operators.items(), 1)
    ]
    return without_empty_columns(header, rows)


def _layer_cells(error: LayerError | None) -> Row:
    return (f"{error.signal_to_noise:.1f}", f"{error.cosine:.5f}") if error else ("", "")
