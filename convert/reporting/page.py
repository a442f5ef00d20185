"""The report page of a conversion: recipes side by side, accuracy, layer errors, changed labels, the files themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from convert.conversion import Conversion
from convert.reporting.plots import cost_plot, layer_plot
from convert.reporting.summary import compatibility_lines, find_warnings
from convert.reporting.table import HEADER, layer_rows, row, without_empty_columns
from edge_runtime.common.intervals import Accuracy
from edge_runtime.model.manifest import Comparison
from edge_runtime.model.model_file import operator_specs

Row = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A section of the page.

    tables: header, rows and caption of each. pictures: PNG and caption of each, and whether it is a plot, as it is if that is left out.
    """

    title: str
    paragraphs: Sequence[str] = ()
    warnings: Sequence[str] = ()
    tables: Sequence[tuple[Row, Sequence[Row], str]] = ()
    pictures: Sequence[tuple[bytes, str] | tuple[bytes, str, bool]] = ()


def page_parts(
    conversions: Sequence[Conversion], galleries: Mapping[str, bytes], failures: Mapping[str, Exception] = MappingProxyType({})
) -> list[Part]:
    """The sections of the page in order.

    Args:
        conversions: of one model by different recipes, at least one.
        galleries: PNG of the images whose label changed, by the recipe's short name; none for recipes that changed no label.
        failures: why recipes could not be converted to, by their short names.
    """
    return [
        _overview(conversions, failures),
        _accuracy(conversions),
        _layers(conversions),
        _changes(conversions, galleries),
        _inside(conversions),
    ]


def verdict(conversions: Sequence[Conversion]) -> str:
    """Which file to take, in one sentence.

    Of the files that passed the gate, those count as equally accurate whose accuracy on validation images lies within the 95 % interval of
    the best one: of these the fastest, or where latency was not measured the smallest.
    """
    passed = [conversion for conversion in conversions if conversion.manifest.verdict.passed]
    if not passed:
        return "Take none of these files: the accuracy gate refused all of them."
    best = max((_validation(conversion) for conversion in passed), key=lambda accuracy: accuracy.percent)
    equal = [conversion for conversion in passed if _validation(conversion).percent >= best.interval[0]]
    timed = all(conversion.cost for conversion in equal)
    taken = min(equal, key=lambda found: (found.cost.nanoseconds if timed and found.cost else 0, found.model.file_bytes))
    test = taken.manifest.accuracy[-1].candidate
    others = (
        f"the {'fastest' if timed else 'smallest'} of {len(equal)} that are equally accurate"
        if len(equal) > 1
        else "the most accurate"
    )
    time = f", {taken.cost.nanoseconds / 1_000:.1f} us an image" if taken.cost else ""
    return f"Take {taken.file_name}, {others}: {test.percent:.2f} % of test images right, {taken.model.file_bytes:,} bytes{time}."


def _validation(conversion: Conversion) -> Accuracy:
    return conversion.manifest.accuracy[0].candidate


def _overview(conversions: Sequence[Conversion], failures: Mapping[str, Exception]) -> Part:
    manifest = conversions[0].manifest
    verdicts = {conversion.recipe.short: conversion.manifest.verdict for conversion in conversions}
    failed = [f"the gate refused {recipe}: {verdict.reason}" for recipe, verdict in verdicts.items() if not verdict.passed]
    reasons = [(recipe, "passed" if verdict.passed else "FAILED", verdict.reason) for recipe, verdict in verdicts.items()]
    header, rows = without_empty_columns(HEADER, [row(conversion) for conversion in conversions])
    return Part(
        "Recipes side by side",
        [
            f"{manifest.name}, labels {', '.join(manifest.labels)}. Keras file sha256 {manifest.origin.keras_sha256}, "
            f"data sha256 {manifest.origin.data_sha256}.",
            f"{len(conversions) - len(failed)} of {len(conversions)} files passed the gate.",
        ],
        [
            *(f"not converted to {recipe}: {error}" for recipe, error in failures.items()),
            *failed,
            *map(str, find_warnings(conversions)),
        ],
        [
            (
                header,
                rows,
                "Accuracy in percent; drop in percentage points on test images; p: McNemar's exact test; us/image: median on "
                "this machine; x fp32: that over the float file's.",
            ),
            (("recipe", "gate", "reason"), reasons, "The accuracy gate's verdict on test images."),
        ],
        [(cost_plot(conversions), "Accuracy on test images against file size and latency, with 95 % intervals: top left is best")],
    )


def _accuracy(conversions: Sequence[Conversion]) -> Part:
    header = (
        "recipe",
        "images",
        "float model",
        "converted",
        "agree",
        "lost",
        "gained",
        "drop (95 % interval)",
        "McNemar's exact p",
    )
    rows = [
        (conversion.recipe.short, *_comparison_cells(comparison))
        for conversion in conversions
        for comparison in conversion.manifest.accuracy
    ]
    labels = conversions[0].manifest.labels
    classes = [(label, *(_class_cell(conversion, number) for conversion in conversions)) for number, label in enumerate(labels)]
    return Part(
        "Accuracy",
        ["Choose by validation images; the verdict is on test images. 95 % intervals: Wilson's of an accuracy, Tango's of a drop."],
        tables=[
            (header, rows, "Paired: both models on the same images."),
            (
                ("class", *(conversion.recipe.short for conversion in conversions)),
                classes,
                "Drop by class on test images, in percentage points of the class, with simultaneous 95 % intervals (Bonferroni).",
            ),
        ],
    )


def _comparison_cells(comparison: Comparison) -> Row:
    low, high = comparison.drop_interval
    return (
        comparison.split,
        *(
            f"{accuracy.percent:.2f} ({accuracy.correct:,}/{accuracy.total:,}; {accuracy.interval[0]:.2f} to {accuracy.interval[1]:.2f})"
            for accuracy in (comparison.reference, comparison.candidate)
        ),
        f"{comparison.agreeing:,}",
        f"{comparison.lost:,}",
        f"{comparison.gained:,}",
        f"{comparison.drop:+.2f} [{low:+.2f}, {high:+.2f}]",
        f"{comparison.mcnemar_p:.3g}",
    )


def _class_cell(conversion: Conversion, number: int) -> str:
    low, high = conversion.evaluation.class_drop_intervals[number]
    return f"{conversion.manifest.accuracy[-1].class_drops[number]:+.2f} [{low:+.2f}, {high:+.2f}]"


def _layers(conversions: Sequence[Conversion]) -> Part:
    header, rows = layer_rows(conversions)
    return Part(
        "Where precision is lost",
        [
            "Each operator's output compared with the float file's, on validation images; errors of the operators before it are included."
        ],
        tables=[(header, rows, "Signal-to-noise ratio in dB (higher is better) and cosine similarity.")],
        pictures=[
            (
                layer_plot({conversion.recipe.short: conversion.evaluation.layers for conversion in conversions}),
                "Signal-to-noise ratio after each operator. A missing point: the output is bit for bit equal.",
            )
        ],
    )


def _changes(conversions: Sequence[Conversion], galleries: Mapping[str, bytes]) -> Part:
    lines = []
    for conversion in conversions:
        test = conversion.manifest.accuracy[-1]
        lines.append(
            f"{conversion.recipe.short}: {test.candidate.total - test.agreeing:,} of {test.candidate.total:,} labels changed; "
            f"largest logit difference {conversion.evaluation.largest_logit_error:.3g}."
        )
    pictures = [
        (png, f"{recipe}: test images whose label changed, with the scores of both models", False)
        for recipe, png in galleries.items()
    ]
    return Part("Changed labels", lines, pictures=pictures)


def _inside(conversions: Sequence[Conversion]) -> Part:
    rows = [
        (
            conversion.recipe.short,
            ", ".join(f"{spec.count} {spec.name} v{spec.version}" for spec in operator_specs(conversion.model.graph)),
            ", ".join(f"{runtime} {version}" for runtime, version in conversion.manifest.minimum_runtime.items()) or "not proven",
            conversion.model.sha256,
        )
        for conversion in conversions
    ]
    commands = [(conversion.recipe.short, conversion.manifest.origin.command) for conversion in conversions]
    return Part(
        "Inside the files",
        [line for conversion in conversions for line in compatibility_lines(conversion)],
        tables=[
            (("recipe", "operators", "runs from", "sha256 of the FlatBuffer"), rows, "Built-in operators only."),
            (("recipe", "command"), commands, "Commands that make the same files."),
        ],
    )
