"""Commands of conversion: `digits convert`, `digits compare`.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from convert.quantization.recipes import RECIPES, Recipe, find_recipe
from edge_runtime.common.atomic_files import check_name, write_file
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import BadArgument, GateFailed
from edge_runtime.model.model_file import read_model_file
from train.cli_options import data_option, max_drop_option
from train.data import Split, load_dataset
from train.loop.threads import limit_threads

if TYPE_CHECKING:
    from convert.compatibility.targets import Target
    from convert.conversion import Conversion
    from convert.evaluation.layer_errors import LayerError


@click.command("convert", epilog="Example: digits convert runs/cnn/model.keras --recipe int8 --max-drop 0.2")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=["all"],
    show_default=True,
    help=f"{', '.join(RECIPES)}, or all (int4 with --qat alone); may be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the files; the model's own if not given.")
@click.option("--name", help="Of the model, in file names; that of its run if not given.")
@max_drop_option
@click.option("--min-accuracy", type=click.FloatRange(0, 100), metavar="PERCENT", help="Demand that much on the test images.")
@click.option("--min-agreement", type=click.FloatRange(0, 100), metavar="PERCENT", help="Demand the same label on that many.")
@click.option(
    "--keep-passing", is_flag=True, help="Leave as few layers as possible in higher precision where int8 or int4 would fail."
)
@click.option("--keep-failed", is_flag=True, help="Write files that fail the gate too; they say so inside.")
@click.option(
    "--qat",
    type=click.IntRange(0, 1_000),
    default=0,
    metavar="EPOCHS",
    help="Train on for so many epochs, as the integers that int8 and int4 files will be.",
)
@click.option("--calibration", default="min-max", show_default=True, help="How ranges are found: min-max or moving-average.")
@click.option("--calibration-count", type=int, metavar="N", help="Calibrate with N training images of each class. Default: 50.")
@click.option(
    "--calibration-images",
    type=click.Path(path_type=Path),
    metavar="FILE.npy",
    help="Calibrate with these in place of training images: uint8 [N, 28, 28].",
)
@click.option(
    "--fold-columns",
    type=click.Choice(("1", "2", "4")),
    default="4",
    show_default=True,
    help="Columns that the first convolution takes at once, at most: mostly faster as int8, for more weights; 1 for the smallest file.",
)
@click.option("--layers", is_flag=True, help="Print what each layer's output lost, and draw it (NAME-layers.png).")
@click.option("--labels", help="Of the classes: a list with commas, or a file with one a line; their numbers if not given.")
@click.option(
    "--input-scale", default="0..255", show_default=True, help="Of the pixels that the model wants: 0..255, 0..1 or -1..1."
)
@click.option(
    "--code", type=click.Path(path_type=Path), metavar="FILE.py", help="Python file with the model's own layers. It is executed."
)
@click.option(
    "--runs-on",
    multiple=True,
    metavar="WHAT",
    help="Write only files that run there: 'tflite-runtime==2.14', 'ai-edge-litert>=1.4', armv7, android...; may be repeated.",
)
@click.option("--try-runtimes", is_flag=True, help="Try them in these very runtimes, in environments that pip makes for that.")
@data_option
@click.option("--threads", type=click.IntRange(1, 256), help="Cores to use for --qat; all of them if not given.")
@click.option("--force", is_flag=True, help="Replace files of those names.")
def convert_command(
    model: Path,
    recipes: Sequence[str],
    out: Path | None,
    name: str | None,
    max_drop: float,
    min_accuracy: float | None,
    min_agreement: float | None,
    keep_passing: bool,
    keep_failed: bool,
    qat: int,
    calibration: str,
    calibration_count: int | None,
    calibration_images: Path | None,
    fold_columns: str,
    layers: bool,
    labels: str | None,
    input_scale: str,
    code: Path | None,
    runs_on: tuple[str, ...],
    try_runtimes: bool,
    data_path: Path | None,
    threads: int | None,
    force: bool,
) -> None:
    """Convert a Keras model to self-describing TFLite files, each checked against the float model on real images.

    Writes NAME-RECIPE.tflite for each recipe, a report as NAME-conversion.html and .json, and NAME-RECIPE-changed.png with the test images
    whose label changed.
    Exits 3 if a file does not hold what is demanded of it, such as that the 95 % interval of its drop in accuracy on the test images lies
    within --max-drop; all numbers are printed and written before that. The work is done in a child process.

    With --runs-on, recipes whose files would not run there are left out of all; one that was named exits 4 and says which do
    (docs/runtimes.md).
    """
    from convert.compatibility.targets import parse_targets

    targets = parse_targets(runs_on)
    if try_runtimes and not targets:
        raise BadArgument("--try-runtimes needs to know in which: give --runs-on")
    named = [find_recipe(recipe) for recipe in dict.fromkeys(recipes) if recipe != "all"]
    # 4 bits without training for them fail the gate too often to be made unasked.
    every = [recipe for recipe in RECIPES.values() if qat or recipe.weight_bits != 4 or recipe in named]
    chosen = every if "all" in recipes else named
    if name is not None:
        check_name(name)
    data = load_dataset(data_path)
    if threads:
        limit_threads(threads)  # the child process takes it over

    from benchmarks.runner.in_process import measure
    from convert.child import in_child  # loads TensorFlow's side: seconds, so after all that can be wrong without it
    from convert.evaluation.gate import Limits
    from convert.export import export
    from convert.quantization.calibration import CalibrationSettings
    from convert.settings import ConversionSettings

    folder = out or model.parent
    settings = ConversionSettings(
        Limits(max_drop, min_accuracy, min_agreement),
        qat,
        keep_passing=keep_passing,
        calibration=CalibrationSettings(calibration, calibration_count, calibration_images),
        runs_on=tuple(target.text for target in targets),
        try_runtimes=try_runtimes,
        fold_columns=int(fold_columns),
    )
    conversions = in_child(
        export,
        model,
        data,
        chosen,
        folder,
        name=name,
        labels=_labels(labels),
        input_scale=input_scale,
        code=code,
        settings=settings,
        keep_failed=keep_failed,
        leave_out="all" in recipes,
        force=force,
        step=_say,
        measure=measure,
    )
    _tell(conversions, targets, folder, layers)
    _refuse_misfits(conversions, [] if "all" in recipes else named)
    _refuse_failed(conversions)


def _tell(conversions: "Sequence[Conversion]", targets: "Sequence[Target]", folder: Path, layers: bool) -> None:
    """Print what was found, write the page, and list the files that are there now."""
    from convert.export import gallery_path, report_path
    from convert.reporting.table import as_layer_table, as_table, notes

    click.echo(as_table(conversions))
    report = report_path(folder, conversions[0].manifest.name)
    _print_fits(targets, conversions, report)
    paths = [report, _write_page(report, conversions, folder)]
    paths += [path for conversion in conversions if (path := folder / conversion.file_name).exists()]
    paths += [path for conversion in conversions if (path := gallery_path(folder, conversion)).exists()]
    if layers:
        click.echo("\n" + as_layer_table(conversions))
        paths.append(_draw_layers(folder, conversions))
    for note in notes(conversions):
        click.echo(f"note: {note}")
    for path in paths:
        click.echo(f"written: {path}")


def _refuse_failed(conversions: "Sequence[Conversion]") -> None:
    failed = [conversion for conversion in conversions if not conversion.manifest.verdict.passed]
    if failed:
        reasons = "; ".join(f"{conversion.recipe.short}: {conversion.manifest.verdict.reason}" for conversion in failed)
        raise GateFailed(f"the gate refused {len(failed)} of {len(conversions)}: {reasons}")


def _say(what: str) -> None:
    click.echo(f"{what} ...", err=True)


def _write_page(report: Path, conversions: "Sequence[Conversion]", folder: Path) -> Path:
    from benchmarks.reporting.html import Picture, Section, Table, render
    from convert.export import gallery_path
    from convert.reporting.page import page_parts

    paths = {conversion.recipe.short: gallery_path(folder, conversion) for conversion in conversions}
    parts = page_parts(conversions, {recipe: path.read_bytes() for recipe, path in paths.items() if path.exists()})
    sections = [
        Section(
            part.title,
            part.paragraphs,
            part.warnings,
            [Table(*table) for table in part.tables],
            [Picture(*picture) for picture in part.pictures],
        )
        for part in parts
    ]
    path = report.with_suffix(".html")
    write_file(path, render(f"{conversions[0].manifest.name}: from Keras to TFLite", sections), force=True)
    return path


def _print_fits(targets: "Sequence[Target]", conversions: "Sequence[Conversion]", report: Path) -> None:
    """Where files have to run, recipes that were left out, and what is known of the others."""
    from convert.compatibility_check import compatibility_lines
    from convert.reporting.table import left_out_lines

    for line in [
        *(f"to run on {target}" for target in targets),
        *left_out_lines(report),
        *(line for conversion in conversions for line in compatibility_lines(conversion)),
    ]:
        click.echo(line)


def _refuse_misfits(conversions: "Sequence[Conversion]", named: Sequence[Recipe]) -> None:
    """Files that turned out not to run where they have to: an error if they were asked for by name, or if there are no others."""
    from convert.compatibility_check import DoesNotRun

    stuck = [conversion for conversion in conversions if not conversion.runs_there]
    if any(conversion.recipe in named for conversion in stuck) or len(stuck) == len(conversions):
        reasons = "; ".join(
            f"{conversion.recipe.short}: {'; '.join(conversion.fit.reasons)}" for conversion in stuck if conversion.fit
        )
        raise DoesNotRun(f"not written, since not known to run there: {reasons}")


def _labels(text: str | None) -> tuple[str, ...] | None:
    """Labels from a list with commas, or from the lines of a file."""
    if text is None:
        return None
    if "," in text:
        return tuple(label.strip() for label in text.split(","))
    try:
        return tuple(line for line in Path(text).read_text().splitlines() if line)
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"labels are {text!r}, neither a list with commas nor a file that can be read ({error})") from error


def _draw_layers(folder: Path, conversions: "Sequence[Conversion]") -> Path:
    from convert.reporting.plots import layer_plot

    path = folder / f"{conversions[0].manifest.name}-layers.png"
    write_file(path, layer_plot({conversion.recipe.short: conversion.layers for conversion in conversions}), force=True)
    return path


@click.command("compare", epilog="Example: digits compare runs/cnn/model.keras runs/cnn/cnn-int8.tflite")
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@data_option
@click.option(
    "--split", type=click.Choice(["validation", "test"]), default="validation", show_default=True, help="Choose on validation."
)
@click.option("--layers", is_flag=True, help="Of two .tflite files: what each operator's output differs by.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def compare_command(reference: Path, candidate: Path, data_path: Path | None, split: str, layers: bool, as_json: bool) -> None:
    """Compare two models, .keras or .tflite: what they are made of, and what they say to the same real images.

    Accuracy, agreement, McNemar's test, and the drop with its interval.
    """
    from convert.evaluation.compare import facts_table, file_facts, predict
    from convert.evaluation.gate import compare
    from convert.reporting.table import finite
    from edge_runtime.model.inspection import comparison_lines

    paths = (reference, candidate)
    if layers and any(path.suffix == ".keras" for path in paths):
        raise BadArgument("--layers compares two .tflite files; convert the Keras model to fp32 first")
    data = load_dataset(data_path)
    images = data.test if split == "test" else data.validation
    before, after = (predict(path, data, images) for path in paths)
    found = compare(split, images.labels, before.argmax(axis=1), after.argmax(axis=1))
    files = [file_facts(path) for path in paths]
    errors = _layer_errors(*paths, images) if layers else []
    if as_json:
        answer = {**dataclasses.asdict(found), "files": files}
        click.echo(json.dumps(answer | ({"layers": [finite(error) for error in errors]} if layers else {})))
        return
    click.echo(facts_table(*files) + "\n\n" + "\n".join(comparison_lines(found)))
    if layers:
        rows = [
            (error.operator, f"{error.signal_to_noise:.1f}", f"{error.cosine:.5f}", f"{error.mean_square:.3g}") for error in errors
        ]
        click.echo("\n" + text_table(("operator", "signal to noise, dB", "cosine", "mean square"), rows))


def _layer_errors(reference: Path, candidate: Path, images: Split) -> "list[LayerError]":
    from convert.conversion import LAYER_IMAGES
    from convert.evaluation.layer_errors import layer_errors

    before, after = (read_model_file(path).flatbuffer for path in (reference, candidate))
    return layer_errors(before, after, images.images[:LAYER_IMAGES])
