"""What a conversion found, as a table for people and as JSON."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from convert.conversion import Conversion
from convert.fitting import LeftOut
from convert.layers import LayerError
from convert.recipes import Recipe
from edge_runtime.text import text_table

_HEADER = ("recipe", "file B", "payload B", "validation", "test", "agree", "drop (95 % interval)", "p", "gate")


def as_table(conversions: Sequence[Conversion]) -> str:
    """One row a recipe. Accuracies in percent; drops in percentage points on the test images, positive where accuracy was lost."""
    return text_table(_HEADER, [_row(conversion) for conversion in conversions])


def as_layer_table(conversions: Sequence[Conversion]) -> str:
    """What each operator's output lost: signal to noise in dB and the cosine, a row an operator, two columns a recipe."""
    header = ["operator", *(f"{conversion.recipe.short} {what}" for conversion in conversions for what in ("dB", "cosine"))]
    found = [{layer.output: layer for layer in conversion.layers} for conversion in conversions]
    operators = {layer.output: layer.operator for layers in found for layer in layers.values()}
    rows = [
        [f"{place} {kind}", *(cell for layers in found for cell in _layer_cells(layers.get(output)))]
        for place, (output, kind) in enumerate(operators.items(), 1)
    ]
    return text_table(header, rows)


def _layer_cells(error: LayerError | None) -> tuple[str, str]:
    return (f"{error.signal_to_noise:.1f}", f"{error.cosine:.5f}") if error else ("", "")


def as_entry(conversion: Conversion) -> dict[str, Any]:
    """What a report says of one file: sizes in bytes and the manifest."""
    return {
        "file_bytes": conversion.model.file_bytes,
        "payload_bytes": conversion.model.graph.payload_bytes,
        "scale_bytes": conversion.model.graph.scale_bytes,
        "seconds": conversion.seconds,
        "largest_logit_error": conversion.largest_logit_error,
        "class_drop_intervals": conversion.class_drop_intervals,
        "layers": [_finite(dataclasses.asdict(layer)) for layer in conversion.layers],
        "manifest": dataclasses.asdict(conversion.manifest),
        **({"runs_on": {**dataclasses.asdict(conversion.fit), "runs": conversion.fit.runs}} if conversion.fit else {}),
    }


def _finite(facts: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinite numbers: null stands for them."""
    return {name: None if value in (inf, -inf) else value for name, value in facts.items()}


def as_json(entries: Sequence[Mapping[str, Any]], left_out: Sequence[LeftOut] = ()) -> str:
    """One object with the entries, in the order of their recipes' names, and recipes whose files would not run where they have to."""
    models = sorted(entries, key=lambda entry: str(entry["manifest"]["recipe"]))
    others = {"left_out": [dataclasses.asdict(recipe) for recipe in left_out]} if left_out else {}
    return json.dumps({"models": models, **others}, sort_keys=True, indent=2) + "\n"


def left_out_lines(path: Path) -> list[str]:
    """What a report says of recipes whose files would not run where they have to, a line each."""
    entries = json.loads(path.read_text()).get("left_out", [])
    return [f"left out: {LeftOut(entry['recipe'], tuple(entry['reasons']))}" for entry in entries]


def other_recipes(path: Path, keras_sha256: str, recipes: Sequence[Recipe]) -> list[dict[str, Any]]:
    """Entries of a report that is there already, about the same model by other recipes; none if it is not to be understood."""
    names = {recipe.name for recipe in recipes}
    try:
        entries = json.loads(path.read_text())["models"]
        return [
            entry
            for entry in entries
            if entry["manifest"]["origin"]["keras_sha256"] == keras_sha256 and entry["manifest"]["recipe"] not in names
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


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
