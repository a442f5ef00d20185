"""What a conversion found, as a table for people and as JSON."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from convert.compatibility_check import ExcludedRecipe
from convert.conversion import Conversion
from convert.evaluation.layer_errors import LayerError
from convert.quantization.recipes import Recipe
from edge_runtime.common.text_table import text_table
from edge_runtime.model.graph import read_graph

HEADER = ("recipe", "file B", "payload B", "validation", "test", "agree", "drop (95 % interval)", "p", "us", "x float", "gate")
Row = tuple[str, ...]


def as_table(conversions: Sequence[Conversion]) -> str:
    """One row a recipe. Accuracies in percent; drops in percentage points on the test images, positive where accuracy was lost."""
    return text_table(HEADER, [row(conversion) for conversion in conversions])


def row(conversion: Conversion) -> Row:
    """The cells of one recipe, under `HEADER`. What an image costs is empty where it was not measured."""
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


def notes(conversions: Sequence[Conversion]) -> list[str]:
    """What the maker of these files should know: odd calibration images, operators in slow kernels, what sparing layers cost."""
    found = [f"{conversion.recipe.short}: {warning}" for conversion in conversions for warning in conversion.warnings]
    for conversion in conversions:
        cost, made = conversion.cost, conversion.made
        if cost and cost.outside:
            operators = ", ".join(f"{count} {kind}" for kind, count in cost.outside.items())
            found.append(
                f"{conversion.recipe.short}: XNNPACK does not take {operators}; an image takes {cost.times_float:.1f} times as long as "
                "with the float file on this machine"
            )
        if made.unspared is not None:
            before, after = (read_graph(content).payload_bytes for content in (made.unspared, made.flatbuffer))
            found.append(
                f"{conversion.recipe.short}: in higher precision, so as to pass: {', '.join(made.spared)}; "
                f"{after:,} bytes of payload in place of {before:,}; {made.tried} files tried, {conversion.seconds:.0f} s in all"
            )
    return found


def as_layer_table(conversions: Sequence[Conversion]) -> str:
    """What each operator's output lost: signal to noise in dB and the cosine, a row an operator, two columns a recipe."""
    return text_table(*layer_rows(conversions))


def layer_rows(conversions: Sequence[Conversion]) -> tuple[Row, list[Row]]:
    """Header and rows of that table."""
    header = ("operator", *(f"{conversion.recipe.short} {what}" for conversion in conversions for what in ("dB", "cosine")))
    found = [{layer.output: layer for layer in conversion.layers} for conversion in conversions]
    operators = {layer.output: layer.operator for layers in found for layer in layers.values()}
    rows = [
        (f"{place} {kind}", *(cell for layers in found for cell in _layer_cells(layers.get(output))))
        for place, (output, kind) in enumerate(operators.items(), 1)
    ]
    return header, rows


def _layer_cells(error: LayerError | None) -> Row:
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
        "calibration_indices": list(conversion.calibration_indices),
        "cost": dataclasses.asdict(conversion.cost) if conversion.cost else None,
        "warnings": list(conversion.warnings),
        "layers": [finite(layer) for layer in conversion.layers],
        "manifest": dataclasses.asdict(conversion.manifest),
        **({"runs_on": {**dataclasses.asdict(conversion.fit), "runs": conversion.fit.runs}} if conversion.fit else {}),
    }


def finite(error: LayerError) -> dict[str, Any]:
    """What a layer lost, for JSON, which knows no infinite numbers: null stands for them."""
    return {name: None if value in (inf, -inf) else value for name, value in dataclasses.asdict(error).items()}


def as_json(entries: Sequence[Mapping[str, Any]], left_out: Sequence[ExcludedRecipe] = ()) -> str:
    """One object with the entries, in the order of their recipes' names, and recipes whose files would not run where they have to."""
    models = sorted(entries, key=lambda entry: str(entry["manifest"]["recipe"]))
    others = {"left_out": [dataclasses.asdict(recipe) for recipe in left_out]} if left_out else {}
    return json.dumps({"models": models, **others}, sort_keys=True, indent=2) + "\n"


def left_out_lines(path: Path) -> list[str]:
    """What a report says of recipes whose files would not run where they have to, a line each."""
    entries = json.loads(path.read_text()).get("left_out", [])
    return [f"left out: {ExcludedRecipe(entry['recipe'], tuple(entry['reasons']))}" for entry in entries]


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
