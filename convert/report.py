"""What a conversion found, as a table for people and as JSON."""

import dataclasses
import json
from collections.abc import Sequence

from convert.conversion import Conversion

_HEADER = ("recipe", "file B", "payload B", "validation", "test", "agree", "drop (95 % interval)", "p", "gate")


def as_table(conversions: Sequence[Conversion]) -> str:
    """One row a recipe. Accuracies in percent; drops in percentage points on the test images, positive where accuracy was lost."""
    rows = [_HEADER, *(_row(conversion) for conversion in conversions)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def as_json(conversions: Sequence[Conversion]) -> str:
    """One object: for each recipe the sizes in bytes and the manifest."""
    models = [
        {
            "file_bytes": conversion.model.file_bytes,
            "payload_bytes": conversion.model.graph.payload_bytes,
            "scale_bytes": conversion.model.graph.scale_bytes,
            "manifest": dataclasses.asdict(conversion.manifest),
        }
        for conversion in conversions
    ]
    return json.dumps({"models": models}, sort_keys=True, indent=2) + "\n"


def _row(conversion: Conversion) -> tuple[str, ...]:
    validation, test = conversion.manifest.accuracy
    low, high = test.drop_interval
    return (
        conversion.recipe.short,
        f"{conversion.model.file_bytes:,}",
        f"{conversion.model.graph.payload_bytes:,}",
        f"{validation.candidate.percent:.2f}",
        f"{test.candidate.percent:.2f} ({test.candidate.correct:,}/{test.candidate.total:,})",
        f"{test.agreeing:,}",
        f"{test.drop:+.2f} [{low:+.2f}, {high:+.2f}]",
        f"{test.mcnemar_p:.3g}",
        "passed" if conversion.manifest.verdict.passed else "FAILED",
    )
