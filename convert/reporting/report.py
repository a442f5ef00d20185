"""Write the report of a conversion: NAME-conversion.json, the page and the pictures."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any

from convert.compatibility.check import CompatibilityReport, ExcludedRecipe
from convert.conversion import Conversion
from convert.evaluation.layer_errors import LayerError
from convert.quantization.recipes import find_recipe
from convert.reporting.page import Part, page_parts, verdict
from convert.reporting.plots import changed_labels_gallery, layer_plot
from convert.source.source import Source
from edge_runtime.common.atomic_files import write_file

Render = Callable[[str, Sequence[Part], str], str]
"""Renders a page of a title, parts and one sentence of verdict as HTML."""


def write_report(
    folder: Path,
    source: Source,
    conversions: Sequence[Conversion],
    excluded: Sequence[ExcludedRecipe] = (),
    failures: Mapping[str, Exception] = MappingProxyType({}),
    *,
    render: Render | None = None,
    plot_layers: bool = False,
) -> list[Path]:
    """Write all files of the report, replacing older ones.

    What an older JSON report says of other recipes of the same model is kept.

    Args:
        folder: where to write.
        source: the model that was converted.
        conversions: at least one.
        excluded: recipes whose files do not run on the targets.
        failures: why recipes could not be converted to, by their short names.
        render: renders the page; None to skip it.
        plot_layers: write NAME-layers.png.

    Returns:
        The paths that were written, the page first.
    """
    report = folder / f"{source.name}-conversion.json"
    without = [*(recipe.recipe for recipe in excluded), *failures]
    replaced = {conversion.recipe.name for conversion in conversions} | {find_recipe(recipe).name for recipe in without}
    kept = _entries_of_other_recipes(report, source.sha256, replaced)
    write_file(report, as_json([*kept, *map(as_entry, conversions)], excluded, failures), force=True)
    galleries = _write_galleries(folder, source, conversions)
    written = [report, *galleries.values()]
    if plot_layers:
        written.append(folder / f"{source.name}-layers.png")
        write_file(written[-1], _layer_plot(conversions), force=True)
    if render:
        parts = page_parts(conversions, {recipe: path.read_bytes() for recipe, path in galleries.items()}, failures)
        written.insert(0, report.with_suffix(".html"))
        write_file(written[0], render(f"{source.name}: from Keras to TFLite", parts, verdict(conversions)), force=True)
    return written


def as_entry(conversion: Conversion) -> dict[str, Any]:
    """The report's JSON entry of one file: sizes in bytes, what it lost, and its manifest."""
    build, evaluation = conversion.build, conversion.evaluation
    return {
        "recipe": conversion.recipe.short,
        "file_bytes": conversion.model.file_bytes,
        "payload_bytes": conversion.model.graph.payload_bytes,
        "scale_bytes": conversion.model.graph.scale_bytes,
        "quantizer": build.quantizer,
        "seconds": conversion.seconds,
        "largest_logit_error": evaluation.largest_logit_error,
        "class_drop_intervals": evaluation.class_drop_intervals,
        "calibration_indices": list(build.calibration.indices) if build.calibration else [],
        "cost": dataclasses.asdict(conversion.cost) if conversion.cost else None,
        "warnings": list(conversion.warnings),
        "layers": [layer_entry(layer) for layer in evaluation.layers],
        "manifest": dataclasses.asdict(conversion.manifest),
        **({"runs_on": _compatibility_entry(conversion.compatibility)} if conversion.compatibility else {}),
    }


def layer_entry(error: LayerError) -> dict[str, Any]:
    """The JSON entry of one layer; null stands for an infinite signal-to-noise ratio, which JSON cannot represent."""
    return {name: None if value in (inf, -inf) else value for name, value in dataclasses.asdict(error).items()}


def as_json(
    entries: Sequence[Mapping[str, Any]],
    excluded: Sequence[ExcludedRecipe] = (),
    failures: Mapping[str, Exception] = MappingProxyType({}),
) -> str:
    """The report as JSON: entries sorted by recipe, and the excluded and failed recipes if there are any."""
    models = sorted(entries, key=lambda entry: str(entry["manifest"]["recipe"]))
    others: dict[str, list[dict[str, Any]]] = {"left_out": [dataclasses.asdict(recipe) for recipe in excluded]} if excluded else {}
    if failures:
        others["failed"] = [{"recipe": recipe, "error": str(error)} for recipe, error in failures.items()]
    return json.dumps({"models": models, **others}, sort_keys=True, indent=2) + "\n"


def _compatibility_entry(report: CompatibilityReport) -> dict[str, Any]:
    trials = [{"release": trial.release, "passed": trial.passed, "said": trial.message} for trial in report.trials]
    return {**dataclasses.asdict(report), "trials": trials, "runs": report.runs}


def _entries_of_other_recipes(path: Path, keras_sha256: str, replaced: set[str]) -> list[dict[str, Any]]:
    """Entries of an existing report about the same model by other recipes; none if it cannot be read."""
    try:
        entries = json.loads(path.read_text())["models"]
        return [
            entry
            for entry in entries
            if entry["manifest"]["origin"]["keras_sha256"] == keras_sha256 and entry["manifest"]["recipe"] not in replaced
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _write_galleries(folder: Path, source: Source, conversions: Sequence[Conversion]) -> dict[str, Path]:
    """Pictures of test images whose label changed, by the recipe's short name; an older picture is removed if none changed."""
    written = {}
    for conversion in conversions:
        path = folder / f"{Path(conversion.file_name).stem}-changed.png"
        test = conversion.manifest.accuracy[-1]
        if test.agreeing == test.candidate.total:
            path.unlink(missing_ok=True)
            continue
        logits = conversion.evaluation.test.logits
        write_file(path, changed_labels_gallery(source.data.test, source.test_logits, logits, source.labels), force=True)
        written[conversion.recipe.short] = path
    return written


def _layer_plot(conversions: Sequence[Conversion]) -> bytes:
    return layer_plot({conversion.recipe.short: conversion.evaluation.layers for conversion in conversions})
