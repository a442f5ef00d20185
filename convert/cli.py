"""Commands of conversion: `digits convert`, `digits compare`.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from convert.quantization.recipes import RECIPES, Recipe, find_recipe
from edge_runtime.cli_options import ModelCommand
from edge_runtime.common.atomic_files import check_name
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import BadArgument, GateFailed
from edge_runtime.model.model_file import read_model_file
from train.cli_options import data_option, max_drop_option
from train.data import Split, load_dataset
from train.loop.threads import limit_threads

if TYPE_CHECKING:
    from convert.conversion import Conversion
    from convert.evaluation.layer_errors import LayerError
    from convert.reporting.page import Part


input_scale_option = click.option(
    "--input-scale",
    metavar="RANGE",
    help="Pixel range that the Keras model was trained with: 0..255, 0..1 or -1..1.  [default: found by its loss on validation images] "
    "The converted file always takes 0..255.",
)
code_option = click.option(
    "--code",
    type=click.Path(path_type=Path),
    metavar="FILE.py",
    help="Python file that defines the Keras model's custom layers. It is executed.",
)


@click.command("convert", cls=ModelCommand, epilog="Example: digits convert runs/cnn/model.keras --recipe int8 --max-drop 0.2")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=["all"],
    show_default=True,
    help=f"Precision of the file: {', '.join(RECIPES)}, or all (int4 only with --qat); repeatable.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.  [default: the model's own]")
@click.option("--name", help="Name of the model, in file names and manifests.  [default: that of its run]")
@max_drop_option
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail the gate below this test accuracy (lower end of its 95 % interval).",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail the gate if fewer test images keep the float model's label (lower end of the 95 % interval).",
)
@click.option(
    "--keep-passing",
    is_flag=True,
    help="If int8 or int4 would fail the gate on validation images, keep a few layers in higher precision: larger files.",
)
@click.option("--keep-failed", is_flag=True, help="Write files that fail the gate, too; the verdict is in their manifest.")
@click.option(
    "--qat",
    type=click.IntRange(0, 1_000),
    default=0,
    metavar="EPOCHS",
    help="Fine-tune int8 and int4 with quantisation-aware training for this many epochs: more accurate, takes minutes.",
)
@click.option(
    "--calibration",
    default="min-max",
    show_default=True,
    help="Activation ranges: min-max covers all values, moving-average ignores rare outliers.",
)
@click.option(
    "--calibration-count",
    type=int,
    metavar="N",
    help="Measure activation ranges on N training images of each class.  [default: 50]",
)
@click.option(
    "--calibration-images",
    type=click.Path(path_type=Path),
    metavar="FILE.npy",
    help="Measure activation ranges on these images, uint8 [N, 28, 28], instead of training images.",
)
@click.option(
    "--fold-columns",
    type=click.Choice(("1", "2", "4")),
    default="4",
    show_default=True,
    help="Columns that the first convolution computes at once, at most: more is mostly faster in int8, 1 gives the smallest file.",
)
@click.option("--layers", is_flag=True, help="Also print the error of each layer's output, and plot it (NAME-layers.png).")
@click.option(
    "--labels", help="Class labels stored in the file: a comma-separated list, or a file with one a line.  [default: class numbers]"
)
@input_scale_option
@code_option
@click.option(
    "--runs-on",
    multiple=True,
    metavar="TARGET",
    help="Write only files that run on 'tflite-runtime==2.14', 'ai-edge-litert>=1.4', armv7, android, rp2040, tflm...; repeatable.",
)
@click.option(
    "--try-runtimes",
    is_flag=True,
    help="Run each file in the releases of --runs-on, in environments that pip creates, and write only what passes.",
)
@data_option
@click.option("--threads", type=click.IntRange(1, 256), help="CPU threads for --qat.  [default: all cores]")
@click.option("--force", is_flag=True, help="Replace existing .tflite files.")
def convert_command(
    model: Path,
    recipes: Sequence[str],
    out: Path | None,
    name: str | None,
    max_drop: float | None,
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
    input_scale: str | None,
    code: Path | None,
    runs_on: tuple[str, ...],
    try_runtimes: bool,
    data_path: Path | None,
    threads: int | None,
    force: bool,
) -> None:
    """Convert a Keras model (.keras, .h5, or a run's folder) to self-describing TFLite files, each compared with it on real images.

    Writes NAME-RECIPE.tflite for each recipe, a report (NAME-conversion.html and .json), and NAME-RECIPE-changed.png with the test images
    whose label changed.

    A file passes the gate if the 95 % interval of its drop in test accuracy is within --max-drop, and --min-accuracy and --min-agreement
    hold. If a file fails, it is not written and the command exits 3, after all results are printed and reported.

    With --runs-on, recipes whose files do not run on the targets are left out of "all"; if one was named, the command exits 4 and lists
    recipes that run (docs/runtimes.md).
    """
    from convert.compatibility.targets import parse_targets
    from convert.source.keras_files import keras_file

    model = keras_file(model)
    targets = parse_targets(runs_on)
    if try_runtimes and not any(target.releases for target in targets):
        raise BadArgument("--try-runtimes has no runtime to try; name one with --runs-on")
    named = [find_recipe(recipe) for recipe in dict.fromkeys(recipes) if recipe != "all"]
    # int4 without quantisation-aware training fails the gate too often to be part of "all".
    every = [recipe for recipe in RECIPES.values() if qat or recipe.weight_bits != 4 or recipe in named]
    chosen = every if "all" in recipes else named
    if name is not None:
        check_name(name)
    data = load_dataset(data_path)
    if threads:
        limit_threads(threads)  # by environment variables, which the child process inherits

    # These load TensorFlow, which takes seconds, so wrong options are refused before, and who waits at a terminal is told.
    if sys.stderr.isatty():
        _print_step(f"loading TensorFlow and {model}")
    from benchmarks.runner.in_process import measure
    from convert.child import in_child
    from convert.evaluation.gate import Limits
    from convert.export import export
    from convert.quantization.calibration import CalibrationSettings
    from convert.reporting.summary import summary_lines
    from convert.reporting.table import as_layer_table
    from convert.settings import ConversionSettings

    settings = ConversionSettings(
        Limits(max_drop, min_accuracy, min_agreement),
        qat,
        keep_passing=keep_passing,
        calibration=CalibrationSettings(calibration, calibration_count, calibration_images),
        runs_on=tuple(target.text for target in targets),
        try_runtimes=try_runtimes,
        fold_columns=int(fold_columns),
        threads=threads,
    )
    result = in_child(
        export,
        model,
        data,
        chosen,
        out or model.parent,
        name=name,
        labels=_labels(labels),
        input_scale=input_scale,
        code=code,
        settings=settings,
        keep_failed=keep_failed,
        leave_out="all" in recipes,
        keep_going=True,
        force=force,
        plot_layers=layers,
        step=_print_step,
        measure=measure,
        render=_render_page,
    )
    if layers:
        click.echo(as_layer_table(result.conversions) + "\n")
    for line in summary_lines(result.conversions, result.excluded, targets, result.models, result.reports):
        click.echo(line)
    if not result.models:
        _print_retry(
            result.conversions, qat, ["digits", "convert", str(model)], {"--data": data_path, "--out": out, "--name": name}
        )
    _refuse_misfits(result.conversions, [] if "all" in recipes else named)
    result.raise_failures()
    _refuse_failed(result.conversions)


def _refused(conversions: "Sequence[Conversion]") -> "list[Conversion]":
    return [conversion for conversion in conversions if not conversion.manifest.verdict.passed]


def _print_retry(conversions: "Sequence[Conversion]", qat: int, command: list[str], options: Mapping[str, object]) -> None:
    """Print the command that may make a file that the gate lets pass: with training where it may help, else with a larger drop."""
    if not (refused := _refused(conversions)):
        return
    trainable = [conversion for conversion in refused if conversion.recipe.activation_bits == 8]
    first = trainable[0] if trainable and not qat else refused[0]
    if first in trainable and not qat:
        remedy = ["--qat", "5"]
    elif _is_drop_refused(first):
        remedy = ["--max-drop", _allowing([first])]
    else:
        remedy = ["--keep-failed"]
    given = [str(word) for option, value in options.items() if value is not None for word in (option, value)]
    click.echo(f"next:    {shlex.join([*command, '--recipe', first.recipe.short, *remedy, *given])}")


def _is_drop_refused(conversion: "Conversion") -> bool:
    return conversion.manifest.accuracy[1].drop_interval[1] > conversion.manifest.verdict.max_drop


def _allowing(refused: "Sequence[Conversion]") -> str:
    """The --max-drop that all of these files keep."""
    return f"{ceil(100 * max(conversion.manifest.accuracy[1].drop_interval[1] for conversion in refused)) / 100:g}"


def _refuse_failed(conversions: "Sequence[Conversion]") -> None:
    if failed := _refused(conversions):
        reasons = "; ".join(f"{conversion.recipe.short}: {conversion.manifest.verdict.reason}" for conversion in failed)
        raise GateFailed(f"the gate refused {len(failed)} of {len(conversions)}: {reasons}; {_remedies(failed)}")


def _remedies(failed: "Sequence[Conversion]") -> str:
    """What to do about files that the gate refused: what the images can prove, what may help, and the drop that lets all of them pass."""
    from convert.evaluation.gate import sample_size

    manifest = failed[0].manifest
    remedies = [sample_size(manifest.accuracy[1].candidate.total, manifest.verdict.max_drop)]
    if any(conversion.recipe.activation_bits == 8 for conversion in failed):
        remedies.append("--qat 5 or --keep-passing may help int8 and int4")
    if any(map(_is_drop_refused, failed)):
        remedies.append(f"--max-drop {_allowing(failed)} lets a file lose that much")
    remedies.append("--keep-failed writes refused files, too")
    return "; ".join(filter(None, remedies))


def _print_step(name: str) -> None:
    click.echo(f"{name} ...", err=True)


def _render_page(title: str, parts: "Sequence[Part]", verdict: str) -> str:
    from benchmarks.reporting.html import Picture, Section, Table, render

    sections = [
        Section(
            part.title,
            part.paragraphs,
            part.warnings,
            [Picture(*picture) for picture in part.pictures],
            [Table(*table) for table in part.tables],
        )
        for part in parts
    ]
    return render(title, sections, verdict)


def _refuse_misfits(conversions: "Sequence[Conversion]", named: Sequence[Recipe]) -> None:
    """Raise if no file runs on the targets, or one of a named recipe does not."""
    from convert.compatibility.check import DoesNotRun

    misfits = [conversion for conversion in conversions if not conversion.runs_on_targets]
    if any(conversion.recipe in named for conversion in misfits) or len(misfits) == len(conversions):
        reasons = "; ".join(
            f"{conversion.recipe.short}: {'; '.join(conversion.compatibility.reasons)}"
            for conversion in misfits
            if conversion.compatibility
        )
        raise DoesNotRun(f"not written because not known to run on the targets: {reasons}")


def _labels(text: str | None) -> tuple[str, ...] | None:
    """Labels from a comma-separated list, or from the lines of a file."""
    if text is None:
        return None
    if "," in text:
        return tuple(label.strip() for label in text.split(","))
    try:
        return tuple(line for line in Path(text).read_text().splitlines() if line)
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"--labels is {text!r}, neither a comma-separated list nor a readable file ({error})") from error


@click.command("compare", epilog="Example: digits compare runs/cnn/model.keras runs/cnn/cnn-int8.tflite")
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@input_scale_option
@code_option
@data_option
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="Images to compare on. Make choices on validation; the test split is for the final verdict.",
)
@click.option(
    "--runtime",
    type=click.Choice(["litert", "tflm"]),
    default="litert",
    show_default=True,
    help="What runs the candidate: LiteRT, or TFLite Micro as on a microcontroller (package tflite-micro).",
)
@click.option("--layers", is_flag=True, help="Also compare the output of each operator; needs two .tflite files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def compare_command(
    reference: Path,
    candidate: Path,
    input_scale: str | None,
    code: Path | None,
    data_path: Path | None,
    split: str,
    runtime: str,
    layers: bool,
    as_json: bool,
) -> None:
    """Compare two models (.tflite, .keras, .h5, a run's folder, a shipped model): their files, and their predictions for the same images.

    Prints accuracy and agreement with counts, the drop in accuracy with its 95 % interval, and McNemar's exact test.
    """
    from convert.evaluation.compare import facts_table, file_facts, model_path, predict
    from convert.evaluation.gate import compare
    from convert.reporting.report import layer_entry
    from convert.source.keras_files import is_keras
    from convert.tflite_micro.interpreter import require
    from edge_runtime.model.inspection import comparison_lines

    paths = (model_path(reference), model_path(candidate))
    if layers and (kerases := [path for path in paths if is_keras(path)]):
        raise BadArgument(
            f"--layers compares two .tflite files; convert the Keras model first: digits convert {kerases[0]} --recipe fp32"
        )
    if (input_scale or code) and not any(map(is_keras, paths)):
        raise BadArgument("--input-scale and --code are for Keras models, and there is none; leave them out")
    micro = runtime == "tflm"
    version = require() if micro else None
    if micro and (layers or is_keras(paths[1])):
        raise BadArgument("--runtime tflm runs a .tflite file as the candidate, without --layers")
    data = load_dataset(data_path)
    images = data.test if split == "test" else data.validation
    before = predict(paths[0], data, images, input_scale=input_scale, code=code)
    after = predict(paths[1], data, images, input_scale=input_scale, code=code, micro=micro)
    comparison = compare(split, images.labels, before.argmax(axis=1), after.argmax(axis=1))
    files = [file_facts(path, code) for path in paths]
    if micro:
        files[1]["runtime"] = f"tflite-micro {version}"
    errors = _layer_errors(*paths, images) if layers else []
    if as_json:
        entry = {**dataclasses.asdict(comparison), "files": files}
        click.echo(json.dumps(entry | ({"layers": [layer_entry(error) for error in errors]} if layers else {})))
        return
    click.echo(facts_table(*files) + "\n\n" + "\n".join(comparison_lines(comparison)))
    if layers:
        rows = [
            (error.operator, f"{error.signal_to_noise:.1f}", f"{error.cosine:.5f}", f"{error.mean_square:.3g}") for error in errors
        ]
        click.echo("\n" + text_table(("operator", "signal to noise, dB", "cosine", "mean square"), rows))
    models = [str(path) for path in paths if not is_keras(path)]
    words = ["bench", *models] if models else ["convert", str(paths[1]), *(["--data", str(data_path)] if data_path else [])]
    click.echo(f"\nnext:    {shlex.join(['digits', *words])}")


def _layer_errors(reference: Path, candidate: Path, images: Split) -> "list[LayerError]":
    from convert.evaluation.evaluate import LAYER_IMAGES
    from convert.evaluation.layer_errors import layer_errors

    before, after = (read_model_file(path).flatbuffer for path in (reference, candidate))
    return layer_errors(before, after, images.images[:LAYER_IMAGES])
