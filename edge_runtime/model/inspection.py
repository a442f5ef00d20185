"""Describe a checked model file, as a JSON-compatible dict and as text."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.model.manifest import Comparison, Manifest
from edge_runtime.model.model_file import ModelFile, operator_specs, tensor_spec
from edge_runtime.model.recipe_names import short_recipe


@frozen_dataclass
class Runtimes:
    """Runtimes on which a model is tested.

    minimum: for each runtime that runs all of its operators, the oldest release that does. unproven: operators that no tested runtime runs.
    """

    minimum: Mapping[str, str]
    unproven: Sequence[str] = ()

    def __str__(self) -> str:
        if self.minimum:
            return ", ".join(f"{runtime} >= {version}" for runtime, version in self.minimum.items())
        return f"unproven: no tested runtime runs {', '.join(self.unproven) or 'all of its operators'}"


def facts(model: ModelFile, runtimes: Runtimes) -> dict[str, Any]:
    """A model file's manifest (None for a plain .tflite), sizes, operators, input and output, as a JSON-compatible dict.

    Args:
        model: the file.
        runtimes: on which it is tested.
    """
    return {
        "name": model.name,
        "manifest": dataclasses.asdict(model.manifest) if model.manifest else None,
        "labels": list(model.labels),
        "sha256": model.sha256,
        "file_bytes": model.file_bytes,
        "flatbuffer_bytes": len(model.flatbuffer),
        "payload_bytes": model.graph.payload_bytes,
        "scale_bytes": model.graph.scale_bytes,
        "input": dataclasses.asdict(tensor_spec(model.input)),
        "output": dataclasses.asdict(tensor_spec(model.output)),
        "operators": [dataclasses.asdict(operator) for operator in operator_specs(model.graph)],
        "minimum_runtime": dict(runtimes.minimum),
        "unproven_operators": list(runtimes.unproven),
    }


def describe(model: ModelFile, runtimes: Runtimes) -> str:
    """The most important of `facts` as text, one per line."""
    recipe = f", recipe {short_recipe(model.manifest.recipe)}" if model.manifest else " (plain .tflite without a manifest)"
    rows = [
        ("model", f"{model.name}{recipe}"),
        ("labels", " ".join(model.labels)),
        ("bytes", _sizes(model)),
        ("input", _tensor(model.input)),
        ("output", _tensor(model.output)),
        ("operators", ", ".join(f"{spec.count} {spec.name} (v{spec.version})" for spec in operator_specs(model.graph))),
        ("runs on", str(runtimes)),
        ("sha256", model.sha256),
    ]
    if model.manifest:
        rows += _proofs(model.manifest)
    return "\n".join(f"{name:<10} {text}" for name, text in rows)


def comparison_line(comparison: Comparison) -> str:
    """A comparison in one line: accuracies with counts, agreement, the drop with its interval, McNemar's p."""
    reference, candidate, (low, high) = comparison.reference, comparison.candidate, comparison.drop_interval
    return (
        f"{candidate.percent:.2f} % ({candidate.correct:,}/{candidate.total:,}) on {comparison.split}, float {reference.percent:.2f} %; "
        f"agree on {comparison.agreeing:,}; drop {comparison.drop:+.2f} points [{low:+.2f}, {high:+.2f}], p = {comparison.mcnemar_p:.3g}"
    )


def comparison_lines(comparison: Comparison) -> list[str]:
    """A comparison in several lines: accuracies with intervals, agreement, drop, McNemar's test, drops by class."""
    reference, candidate, (low, high) = comparison.reference, comparison.candidate, comparison.drop_interval
    total = reference.total
    return [
        *(
            f"{name:<10} {accuracy.percent:.2f} % ({accuracy.correct:,}/{total:,} {comparison.split} images, "
            f"95 % interval {accuracy.interval[0]:.2f} to {accuracy.interval[1]:.2f})"
            for name, accuracy in (("reference", reference), ("candidate", candidate))
        ),
        f"{'agree':<10} on {comparison.agreeing:,} ({100 * comparison.agreeing / total:.2f} %)",
        f"{'drop':<10} {comparison.drop:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f} (Tango's score interval)",
        f"{'McNemar':<10} {comparison.lost} lost, {comparison.gained} gained, exact p = {comparison.mcnemar_p:.3g}",
        f"{'by class':<10} " + "  ".join(f"{label}: {drop:+.2f}" for label, drop in enumerate(comparison.class_drops)),
    ]


def _sizes(model: ModelFile) -> str:
    graph = model.graph
    return f"{model.file_bytes:,} file, {graph.payload_bytes:,} payload, {graph.scale_bytes:,} scales"


def _tensor(tensor: Any) -> str:
    quantization = f", scale {tensor.scale:.6g}, zero point {tensor.zero_point}" if tensor.scales else ""
    return f"{tensor.dtype} {list(tensor.shape)}{quantization}"


def _proofs(manifest: Manifest) -> list[tuple[str, str]]:
    origin, tolerance = manifest.origin, manifest.tolerance
    return [
        *(("accuracy", comparison_line(comparison)) for comparison in manifest.accuracy),
        ("softmax", f"of logits / {manifest.temperature:g}, fitted on validation images"),
        ("gate", f"{'passed' if manifest.verdict.passed else 'FAILED'}: {manifest.verdict.reason}"),
        ("verify", f"within {tolerance.amount:g} {tolerance.unit} of the golden outputs"),
        ("made by", origin.command),
        ("with", ", ".join(f"{package} {version}" for package, version in origin.versions.items())),
        ("data", f"sha256 {origin.data_sha256}"),
    ]
