"""Receipts and their comparison as text for a terminal."""

from edge_runtime.common.text_table import text_table
from edge_runtime.device.receipts import AllImages, Comparison, Receipt

_MAX_LINES = 10
_HEADER = ("receipt", "board", "runtime", "verdict", "labels", "vs recorded", "vs first", "all images")


def verdict(receipt: Receipt) -> str:
    """The output of `digits verify`."""
    text = f"{'passed' if receipt.passed else 'FAILED'}: {receipt.summary}"
    return f"{text}\nall images: {_accuracy(receipt.all_images)}" if receipt.all_images else text


def comparison_text(comparison: Comparison) -> str:
    """The output of `digits receipts` for one model: a row per receipt, and contradictions between boards."""
    rows = [
        (
            name,
            f"{receipt.board or receipt.processor} ({receipt.machine})",
            receipt.runtime,
            "passed" if receipt.passed else "FAILED",
            f"{receipt.labels_equal} of {receipt.images}",
            _number(receipt.largest_difference),
            _number(difference),
            _accuracy(receipt.all_images) if receipt.all_images else "-",
        )
        for name, receipt, difference in zip(comparison.names, comparison.receipts, comparison.from_first, strict=True)
    ]
    title = f"{comparison.model}, sha256 {comparison.sha256[:12]}: {len(rows)} receipt{'s' * (len(rows) > 1)}"
    return "\n".join([title, text_table(_HEADER, rows), *_conclusions(comparison)])


def _conclusions(comparison: Comparison) -> list[str]:
    if len(comparison.receipts) == 1:
        return ["only one receipt of this model; nothing to compare"]
    lines = [f"outputs differ by at most {_number(comparison.apart)} {comparison.unit}"]
    if len({receipt.all_images.data for receipt in comparison.receipts if receipt.all_images}) > 1:
        lines.append("all images: the data sets differ, so the accuracies cannot be compared")
    if not comparison.contradictions:
        return [*lines, "no contradictions"]
    more = len(comparison.contradictions) - _MAX_LINES
    return [*lines, *comparison.contradictions[:_MAX_LINES], *([f"and {more} more (--json lists all)"] if more > 0 else [])]


def _number(value: float | None) -> str:
    return "NaN" if value is None else f"{value:g}"


def _accuracy(found: AllImages) -> str:
    low, high = found.accuracy.interval
    return f"{found.accuracy.percent:.2f} % ({found.accuracy.correct:,} of {found.accuracy.total:,}; {low:.2f} to {high:.2f})"
