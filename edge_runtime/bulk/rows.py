"""A prediction as a row of CSV."""

CSV_HEADER = ("source", "label", "index", "confidence", "warnings")


def csv_cells(source: str, label: str | None, index: int | None, confidence: float | None, warnings: str) -> tuple[str, ...]:
    """The cells of a row, in the order of `CSV_HEADER`; empty where there is no digit."""
    if label is None or index is None or confidence is None:
        return source, "", "", "", warnings
    return source, label, str(index), f"{confidence:.6f}", warnings
