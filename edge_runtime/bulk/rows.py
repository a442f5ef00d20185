"""A prediction as a row of CSV."""

CSV_HEADER = ("source", "label", "index", "confidence", "warnings")


def csv_cells(source: str, label: str, index: int, confidence: float, warnings: str) -> tuple[str, ...]:
    """The cells of a row, in the order of `CSV_HEADER`."""
    return source, label, str(index), f"{confidence:.6f}", warnings
