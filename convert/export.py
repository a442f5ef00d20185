"""From a .keras file to a folder of self-describing files and a report beside them."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from convert.build import postprocess
from convert.compatibility_check import choose, with_compatibility
from convert.conversion import Conversion, convert
from convert.evaluation.latency import Measure, measure_costs
from convert.quantization.recipes import Recipe, find_recipe
from convert.reporting.plots import changed_labels_gallery
from convert.reporting.table import as_entry, as_json, other_recipes
from convert.settings import DEFAULT_SETTINGS, ConversionSettings
from convert.source.source import Source, load_source
from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.errors import BadArgument
from train.data import Dataset


def export(
    path: Path,
    data: Dataset,
    recipes: Sequence[Recipe],
    folder: Path,
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    input_scale: str = "0..255",
    code: Path | None = None,
    settings: ConversionSettings = DEFAULT_SETTINGS,
    keep_failed: bool = False,
    leave_out: bool = False,
    force: bool = False,
    step: Callable[[str], object] = lambda _: None,
    measure: Measure | None = None,
) -> list[Conversion]:
    """Convert a Keras model to each of the recipes and write NAME-RECIPE.tflite files and NAME-conversion.json.

    Where labels changed, NAME-RECIPE-changed.png shows on which test images.

    Args:
        path: the .keras file.
        data: what it was trained on.
        recipes: what to convert to.
        folder: where to write.
        name: of the model; that of its run's folder if None.
        labels: of the classes; their numbers if None.
        input_scale: of the pixels that the model wants.
        code: a Python file with layers of its own; it is executed.
        settings: how to convert.
        keep_failed: write files that the gate refuses, too.
        leave_out: go on without recipes whose files would not run where `settings.runs_on` demands, as long as one does.
        force: replace .tflite files. The report is always renewed; what it says of other recipes of the same model is kept.
        step: called with what is done next.
        measure: times files; None to leave that out.

    Raises:
        WouldOverwrite: a file is there already and `force` is false.
        BadArgument: there is something to train for in none of the recipes.
        DoesNotRun: a recipe's file would not run where it has to, and may not be left out.
        DigitsError: the model cannot be used or converted.
    """
    if settings.qat and not any(recipe.short in settings.qat_recipes for recipe in recipes):
        raise BadArgument(
            f"quantisation-aware training is for int8 and int4, not for {', '.join(recipe.short for recipe in recipes)}"
        )
    source = load_source(path, data, name, labels=labels, input_scale=input_scale, code=code)
    report = report_path(folder, source.name)
    kept = other_recipes(report, source.sha256, recipes)
    for recipe in recipes:
        refuse_to_overwrite(folder / recipe.file_name(source.name), force)
    recipes, left_out = choose(source, recipes, settings, leave_out=leave_out, step=step)
    for misfit in left_out:  # an older file would pass for one that runs there
        (folder / find_recipe(misfit.recipe).file_name(source.name)).unlink(missing_ok=True)
    conversions = []
    for recipe in recipes:
        step(f"{source.name}: {recipe.short}")
        conversion = with_compatibility(convert(source, recipe, settings), settings)
        conversions.append(conversion)
        _write(folder, source, conversion, keep_failed, force)
    if measure:
        step(f"{source.name}: what an image costs")
        conversions = _with_costs(source, conversions, settings, measure)
    write_file(report, as_json([*kept, *map(as_entry, conversions)], left_out), force=True)
    return conversions


def report_path(folder: Path, name: str) -> Path:
    """Where the report of a conversion is written."""
    return folder / f"{name}-conversion.json"


def gallery_path(folder: Path, conversion: Conversion) -> Path:
    """Where the images are shown whose label a conversion changed."""
    return folder / f"{Path(conversion.file_name).stem}-changed.png"


def _with_costs(
    source: Source, conversions: Sequence[Conversion], settings: ConversionSettings, measure: Measure
) -> list[Conversion]:
    files = [conversion.model.flatbuffer for conversion in conversions]
    costs = measure_costs(postprocess(source.floats, settings), files, source.data.validation.images, measure)
    return [dataclasses.replace(conversion, cost=cost) for conversion, cost in zip(conversions, costs, strict=True)]


def _write(folder: Path, source: Source, conversion: Conversion, keep_failed: bool, force: bool) -> None:
    target, gallery = folder / conversion.file_name, gallery_path(folder, conversion)
    if conversion.runs_there and (conversion.manifest.verdict.passed or keep_failed):
        write_file(target, conversion.content, force)
    else:
        target.unlink(missing_ok=True)  # an older file would pass for this one
    test = conversion.manifest.accuracy[-1]
    if test.agreeing == test.candidate.total:
        gallery.unlink(missing_ok=True)
    else:
        picture = changed_labels_gallery(source.data.test, source.test_logits, conversion.test_logits, source.labels)
        write_file(gallery, picture, force=True)
