"""The sections of a pipeline's report, from what its stages wrote."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.reporting.html import Picture, Section, Table
from benchmarks.reporting.tables import HEADER, Row, accuracy_text, kilobytes, machine_line, microseconds, rows
from benchmarks.reporting.warnings import warnings
from benchmarks.results.results import BenchResult, ModelResult
from benchmarks.stats.intervals import median_ns
from edge_runtime.model.manifest import Manifest
from edge_runtime.model.model_file import ModelFile, operator_specs
from edge_runtime.model.recipe_names import short_recipe

_SUMMARY_HEADER = ("model", "fp32: test accuracy", "file", "median latency", "int8: test accuracy", "file", "median latency")
CONVERSION_HEADER = (
    "model",
    "recipe",
    "file",
    "payload",
    "scales",
    "validation",
    "test",
    "agree",
    "drop (95 % interval)",
    "McNemar p",
    "gate",
)


def summary_section(result: BenchResult, models: Sequence[ModelFile], command: str) -> Section:
    """The gate's verdict, and the float and int8 file of each model."""
    passed = sum(model.manifest is not None and model.manifest.verdict.passed for model in models)
    return Section(
        "In short",
        paragraphs=(f"Command: {command}. {passed} of {len(models)} files passed the accuracy gate.", machine_line(result)),
        tables=(Table(_SUMMARY_HEADER, _summary_rows(result), "95 % intervals in brackets."),),
    )


def data_section(source: str, counts: Mapping[str, Sequence[int]], samples: Path) -> Section:
    """The images that models were trained and evaluated on."""
    classes = len(next(iter(counts.values())))
    body = [(name, f"{sum(found):,}", *(f"{count:,}" for count in found)) for name, found in counts.items()]
    return Section(
        "Data",
        paragraphs=(
            f"{source}: grey images of 28x28 pixels. Choices are made on validation images, the gate decides on test images.",
        ),
        tables=(Table(("split", "images", *(str(label) for label in range(classes))), body),),
        pictures=(Picture(samples.read_bytes(), "The first training images of each class", plot=False),),
    )


def training_section(manifests: Sequence[Manifest], curves: Mapping[str, Path]) -> Section:
    """How each float model was trained, and its accuracy; one manifest per model."""
    header = ("model", "parameters", "epochs", "batch", "learning rate", "seed", "seconds", "validation accuracy (95 % interval)")
    return Section(
        "Training",
        paragraphs=(
            "Adam with cosine decay of the learning rate, cross-entropy from logits. The model is that of the last epoch.",
        ),
        tables=(Table(header, [_training_row(manifest) for manifest in manifests], "One run of each model."),),
        pictures=[Picture(path.read_bytes(), f"{name}: loss and accuracy by epoch") for name, path in curves.items()],
    )


def conversion_section(models: Sequence[ModelFile]) -> Section:
    """Each file compared with its float model."""
    manifests = [(model, model.manifest) for model in models if model.manifest]
    body = [_conversion_row(model, manifest) for model, manifest in manifests]
    refused = [
        f"{manifest.name} {short_recipe(manifest.recipe)}: {manifest.verdict.reason}"
        for _, manifest in manifests
        if not manifest.verdict.passed
    ]
    allowed = manifests[0][1].verdict.max_drop
    return Section(
        "Conversion",
        paragraphs=(
            f"A file passes the accuracy gate if the 95 % interval of its drop in test accuracy ends at {allowed:g} points or below. "
            "Drops are from the float model on the same images (Tango's score interval, McNemar's exact test); "
            "a positive drop is a loss of accuracy.",
        ),
        warnings=[f"the gate refused {line}" for line in refused],
        tables=(Table(CONVERSION_HEADER, body), _operators_table(manifests)),
    )


def bench_section(result: BenchResult, latency: Path, size: Path) -> Section:
    """Latency, size and accuracy on this board."""
    return Section(
        "Benchmark",
        paragraphs=(
            machine_line(result),
            f"p50, p90 and p99 are of {len(result.models[0].steady_ns):,} calls of Classifier.classify for each model, "
            f"from a uint8 image to a label, over {len(result.models[0].starts)} processes; models took turns in random order, "
            "warm-up calls are not counted. Cold start (from the start of Python to the first answer) and memory (proportional set size) "
            f"are medians of {len(result.models[0].cold)} further processes.",
        ),
        warnings=warnings(result),
        tables=(Table(HEADER, rows(result)),),
        pictures=(
            Picture(latency.read_bytes(), "Accuracy against latency: top left is best"),
            Picture(size.read_bytes(), "Accuracy against file size: top left is best"),
        ),
    )


def _summary_rows(result: BenchResult) -> list[Row]:
    found = {(model.name, model.recipe): model for model in result.models}
    names = dict.fromkeys(model.name for model in result.models)
    pairs = [(found[name, "float32"], found[name, "static_wi8_ai8"]) for name in names]
    return [(name, *_summary_cells(fp32), *_summary_cells(int8)) for name, (fp32, int8) in zip(names, pairs, strict=True)]


def _summary_cells(model: ModelResult) -> Row:
    return accuracy_text(model.accuracy), kilobytes(model.file_bytes), microseconds(median_ns(model.median_turns))


def _training_row(manifest: Manifest) -> Row:
    training, reference = manifest.origin.training, manifest.accuracy[0].reference
    config = training["config"]
    keys = ("epochs", "batch_size", "learning_rate", "seed")
    return (
        manifest.name,
        f"{training['parameters']:,}",
        *(str(config[key]) for key in keys),
        f"{training['seconds']:.0f}",
        accuracy_text(reference),
    )


def _conversion_row(model: ModelFile, manifest: Manifest) -> Row:
    validation, test = manifest.accuracy
    low, high = test.drop_interval
    return (
        manifest.name,
        short_recipe(manifest.recipe),
        kilobytes(model.file_bytes),
        kilobytes(model.graph.payload_bytes),
        kilobytes(model.graph.scale_bytes),
        f"{validation.candidate.percent:.2f} %",
        f"{test.candidate.percent:.2f} %",
        f"{test.agreeing:,} of {test.candidate.total:,}",
        f"{test.drop:+.2f} ({low:+.2f} to {high:+.2f})",
        f"{test.mcnemar_p:.3g}",
        "passed" if manifest.verdict.passed else "FAILED",
    )


def _operators_table(manifests: Sequence[tuple[ModelFile, Manifest]]) -> Table:
    body = [
        (
            manifest.name,
            short_recipe(manifest.recipe),
            ", ".join(f"{spec.count} {spec.name}" for spec in operator_specs(model.graph)),
            ", ".join(f"{runtime} {version}" for runtime, version in manifest.minimum_runtime.items()),
        )
        for model, manifest in manifests
    ]
    return Table(("model", "recipe", "operators", "oldest runtimes that run it (tested)"), body, "Operators of each file.")
