"""Receipts and their comparison as text for a terminal."""

from edge_runtime.common.text_table import text_table
from edge_runtime.device.receipts import AllImages, Comparison, Receipt

_MOST_LINES = 10
_HEADER = ("receipt", "board", "runtime", "verdict", "labels", "off recorded", "off first", "all images")


def verdict(receipt: Receipt) -> str:
    """What `digits verify` prints."""
    text = f"{'passed' if receipt.passed else 'FAILED'}: {receipt.summary}"
    return f"{text}\nall images: {_accuracy(receipt.all_images)}" if receipt.all_images else text


def comparison_text(comparison: Comparison) -> str:
    """What `digits receipts` prints of one model: a row for each receipt, and what the boards do not agree on."""
    rows = [
        (
            name,
            f"{receipt.board or receipt.processor} ({receipt.machine})",
            receipt.runtime,
            "passed" if receipt.passed else "FAILED",
            f"{receipt.labels_equal} of {receipt.images}",
            _number(receipt.largest_difference),
            _number(off),
            _accuracy(receipt.all_images) if receipt.all_images else "-",
        )
        for name, receipt, off in zip(comparison.names, comparison.receipts, comparison.from_first, strict=True)
    ]
    title = f"{comparison.model}, sha256 {comparison.sha256[:12]}: {len(rows)} receipt{'s' * (len(rows) > 1)}"
    return "\n".join([title, text_table(_HEADER, rows), *_conclusions(comparison)])


def _conclusions(comparison: Comparison) -> list[str]:
    if len(comparison.receipts) == 1:
        return ["nothing to compare it with"]
    lines = [f"outputs lie at most {_number(comparison.apart)} {comparison.unit} apart"]
    if len({receipt.all_images.data for receipt in comparison.receipts if receipt.all_images}) > 1:
        lines.append("all images: of different sets, so their accuracies cannot be compared")
    if not comparison.contradictions:
        return [*lines, "no contradiction"]
    more = len(comparison.contradictions) - _MOST_LINES
    return [*lines, *comparison.contradictions[:_MOST_LINES], *([f"and {more} more (--json has all)"] if more > 0 else [])]


def _number(value: float | None) -> str:
    return "no number of" if value is None else f"{value:g}"


def _accuracy(found: AllImages) -> str:
    low, high = found.accuracy.interval
    return f"{found.accuracy.percent:.2f} % ({found.accuracy.correct:,} of {found.accuracy.total:,}; {low:.2f} to {high:.2f})"
