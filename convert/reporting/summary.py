"""Warnings of a conversion, where its files run, and the summary that ends the command."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convert.compatibility.check import ExcludedRecipe
from convert.compatibility.targets import Target
from convert.conversion import Conversion, is_unusual_quantizer
from convert.reporting.table import as_table
from edge_runtime.model.graph import read_graph

_OUTCOMES = {True: "passed", False: "FAILED", None: "not tried"}


@dataclass(frozen=True)
class ConversionWarning:
    """A warning about one recipe's file: its kind, common to all recipes, and the details."""

    kind: str
    recipe: str
    details: str

    def __str__(self) -> str:
        return f"{self.recipe}: {self.details}"


def find_warnings(conversions: Sequence[Conversion]) -> list[ConversionWarning]:
    """Warnings about odd calibration images, slow operators, and layers in higher precision."""
    return [
        ConversionWarning(kind, conversion.recipe.short, details)
        for conversion in conversions
        for kind, details in _warnings_of(conversion)
    ]


def _warnings_of(conversion: Conversion) -> Iterator[tuple[str, str]]:
    cost, build = conversion.cost, conversion.build
    for warning in conversion.warnings:
        yield "calibration images differ from training images", warning
    if cost and cost.outside:
        operators = ", ".join(f"{count} {kind}" for kind, count in cost.outside.items())
        yield (
            "operators outside XNNPACK, which run slowly",
            f"XNNPACK does not take {operators}; an image takes {cost.times_float:.1f} times as long as with the float file here",
        )
    if is_unusual_quantizer(conversion.recipe, build):
        yield (
            f"quantised by {build.quantizer}, because of the options",
            f"quantised by {build.quantizer}, not by TensorFlow's quantiser",
        )
    if build.promoted:
        yield "layers with 8-bit weights to run on the targets", f"8-bit weights to run on the targets: {', '.join(build.promoted)}"
    if build.without_kept_higher is not None:
        before, after = (read_graph(content).payload_bytes for content in (build.without_kept_higher, build.unfolded))
        yield (
            "layers in higher precision to pass the gate on validation images",
            f"in higher precision to pass the gate on validation images: {', '.join(build.kept_higher)}; {after:,} payload bytes "
            f"instead of {before:,}; {build.candidates} files tried, {conversion.seconds:.0f} s in all",
        )
    if build.none_passes:
        yield (
            "no choice of layers in higher precision passes the gate on validation images",
            "no choice of layers in higher precision passes the gate on validation images, so none was taken; "
            f"{build.candidates} files tried, {conversion.seconds:.0f} s in all",
        )


def compatibility_lines(conversion: Conversion) -> list[str]:
    """Whether a file runs on its targets, and the outcome of each trial, one line each."""
    report, short = conversion.compatibility, conversion.recipe.short
    if report is None:
        return []
    return [
        f"{short}: {_verdict(conversion)}",
        *(f"{short}: {_OUTCOMES[trial.passed]} on {trial.release}: {trial.message}" for trial in report.trials),
    ]


def summary_lines(
    conversions: Sequence[Conversion],
    excluded: Sequence[ExcludedRecipe],
    targets: Sequence[Target],
    models: Sequence[Path],
    reports: Sequence[Path],
) -> list[str]:
    """The end of `digits convert`: a table, warnings by kind, what was written, and the next command.

    Args:
        conversions: at least one.
        excluded: recipes that were left out.
        targets: where files have to run.
        models: files of models that were written.
        reports: other files that were written, the page first.
    """
    lines = [as_table(conversions), *_target_lines(conversions, excluded, targets)]
    kinds: dict[str, list[str]] = {}
    for warning in find_warnings(conversions):
        kinds.setdefault(warning.kind, []).append(warning.recipe)
    lines += [f"warning: {kind}: {_files(list(dict.fromkeys(recipes)))}" for kind, recipes in kinds.items()]
    if models:
        lines.append(f"written: {_together(models)}")
    lines.append(f"report:  {reports[0]}")
    if models:
        best = next((path for path in models if path.stem.endswith("-int8")), models[0])
        lines.append(f"next:    digits classify photo.png --model {shlex.quote(str(best))}")
    return lines


def _target_lines(
    conversions: Sequence[Conversion], excluded: Sequence[ExcludedRecipe], targets: Sequence[Target]
) -> Iterator[str]:
    if not targets:
        return
    yield from (f"target {target}" for target in targets)
    yield from (f"left out: {recipe}" for recipe in excluded)
    if running := [conversion.recipe.short for conversion in conversions if conversion.runs_on_targets]:
        yield f"runs on {', '.join(target.text for target in targets)}: {', '.join(running)}"
    yield from (
        f"{conversion.recipe.short}: {_verdict(conversion)}" for conversion in conversions if not conversion.runs_on_targets
    )
    trials: dict[str, list[str]] = {}
    for conversion in conversions:
        for trial in conversion.compatibility.trials if conversion.compatibility else ():
            cause = "" if trial.passed else f" ({trial.message})"
            trials.setdefault(trial.release, []).append(f"{conversion.recipe.short} {_OUTCOMES[trial.passed]}{cause}")
    yield from (f"tried on {release}: {', '.join(outcomes)}" for release, outcomes in trials.items())


def _verdict(conversion: Conversion) -> str:
    report = conversion.compatibility
    assert report is not None
    where = ", ".join(report.targets)
    return f"runs on {where}" if report.runs else f"is NOT known to run on {where}: {'; '.join(report.reasons)}"


def _files(recipes: Sequence[str]) -> str:
    return f"{len(recipes)} file{'s' * (len(recipes) > 1)} ({', '.join(recipes)})"


def _together(paths: Sequence[Path]) -> str:
    """The files of several recipes as one pattern that a shell expands."""
    if len(paths) == 1:
        return str(paths[0])
    name = paths[0].stem.rpartition("-")[0]
    return str(paths[0].with_name(f"{name}-{{{','.join(path.stem.rpartition('-')[2] for path in paths)}}}.tflite"))
