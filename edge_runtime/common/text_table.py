"""Text tables."""

from collections.abc import Sequence


def text_table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Format rows of cells under a header, each column as wide as its widest cell."""
    rows = (header, *body)
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
