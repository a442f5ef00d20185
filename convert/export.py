"""From a .keras file to a folder of self-describing files and a report beside them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from convert.conversion import DEFAULT_MAX_DROP, Conversion, convert, load_source
from convert.recipes import Recipe
from convert.report import as_entry, as_json, other_recipes
from edge_runtime.files import refuse_to_overwrite, write_file
from train.data import Dataset


def export(
    path: Path,
    data: Dataset,
    recipes: Sequence[Recipe],
    folder: Path,
    *,
    name: str | None = None,
    max_drop: float = DEFAULT_MAX_DROP,
    keep_failed: bool = False,
    force: bool = False,
    step: Callable[[str], object] = lambda _: None,
) -> list[Conversion]:
    """Convert a Keras model to each of the recipes and write NAME-RECIPE.tflite files and NAME-conversion.json.

    Args:
        path: the .keras file.
        data: what it was trained on.
        recipes: what to convert to.
        folder: where to write.
        name: of the model; that of its run's folder if None.
        max_drop: percentage points of accuracy that the gate allows to be lost.
        keep_failed: write files that the gate refuses, too.
        force: replace .tflite files. The report is always renewed; what it says of other recipes of the same model is kept.
        step: called with what is done next.

    Raises:
        WouldOverwrite: a file is there already and `force` is false.
        DigitsError: the model cannot be used or converted.
    """
    source = load_source(path, data, name)
    report = report_path(folder, source.name)
    kept = other_recipes(report, source.sha256, recipes)
    for target in (folder / recipe.file_name(source.name) for recipe in recipes):
        refuse_to_overwrite(target, force)
    conversions = []
    for recipe in recipes:
        step(f"{source.name}: {recipe.short}")
        conversion = convert(source, recipe, max_drop)
        conversions.append(conversion)
        if conversion.manifest.verdict.passed or keep_failed:
            write_file(folder / recipe.file_name(source.name), conversion.content, force)
        else:
            (folder / recipe.file_name(source.name)).unlink(missing_ok=True)  # an older file would pass for this one
    write_file(report, as_json([*kept, *map(as_entry, conversions)]), force=True)
    return conversions


def report_path(folder: Path, name: str) -> Path:
    """Where the report of a conversion is written."""
    return folder / f"{name}-conversion.json"
