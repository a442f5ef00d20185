"""Commands of conversion: `digits convert`, `digits compare`.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import click

from convert.recipes import RECIPES, find_recipe
from edge_runtime.errors import GateFailed
from edge_runtime.files import check_name
from train.data import load_dataset
from train.options import data_option, max_drop_option


@click.command("convert", epilog="Example: digits convert runs/cnn/model.keras --recipe int8 --max-drop 0.2")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.option(
    "--recipe", "recipes", multiple=True, default=["all"], show_default=True, help=f"{', '.join(RECIPES)}, or all; may be repeated."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the files; the model's own if not given.")
@click.option("--name", help="Of the model, in file names; that of its run if not given.")
@max_drop_option
@click.option("--keep-failed", is_flag=True, help="Write files that fail the gate too; they say so inside.")
@data_option
@click.option("--force", is_flag=True, help="Replace files of those names.")
def convert_command(
    model: Path,
    recipes: Sequence[str],
    out: Path | None,
    name: str | None,
    max_drop: float,
    keep_failed: bool,
    data_path: Path | None,
    force: bool,
) -> None:
    """Convert a Keras model to self-describing TFLite files, each checked against the float model on real images.

    Writes NAME-RECIPE.tflite for each recipe and NAME-conversion.json. Exits 3 if the 95 % interval of the drop in accuracy on the test
    images reaches beyond --max-drop; all numbers are printed and written before that.
    """
    named = [find_recipe(recipe) for recipe in dict.fromkeys(recipes) if recipe != "all"]
    chosen = list(RECIPES.values()) if "all" in recipes else named
    if name is not None:
        check_name(name)
    data = load_dataset(data_path)

    from convert.export import export, report_path  # loads TensorFlow: seconds, so after all that can be wrong without it
    from convert.report import as_table

    folder = out or model.parent
    conversions = export(
        model,
        data,
        chosen,
        folder,
        name=name,
        max_drop=max_drop,
        keep_failed=keep_failed,
        force=force,
        step=lambda what: click.echo(f"{what} ...", err=True),
    )
    click.echo(as_table(conversions))
    written = [conversion for conversion in conversions if keep_failed or conversion.manifest.verdict.passed]
    for path in [report_path(folder, conversions[0].manifest.name), *(folder / conversion.file_name for conversion in written)]:
        click.echo(f"written: {path}")
    failed = [conversion for conversion in conversions if not conversion.manifest.verdict.passed]
    if failed:
        reasons = "; ".join(f"{conversion.recipe.short}: {conversion.manifest.verdict.reason}" for conversion in failed)
        raise GateFailed(f"the gate refused {len(failed)} of {len(conversions)}: {reasons}")


@click.command("compare", epilog="Example: digits compare runs/cnn/model.keras runs/cnn/cnn-int8.tflite")
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("candidate", type=click.Path(path_type=Path))
@data_option
@click.option(
    "--split", type=click.Choice(["validation", "test"]), default="validation", show_default=True, help="Choose on validation."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def compare_command(reference: Path, candidate: Path, data_path: Path | None, split: str, as_json: bool) -> None:
    """Compare two models, .keras or .tflite, on the same real images: accuracy, agreement, McNemar's test, the drop with its interval."""
    from convert.comparison import predict_classes
    from convert.gate import compare
    from edge_runtime.inspection import comparison_lines

    data = load_dataset(data_path)
    images = data.test if split == "test" else data.validation
    predictions = [predict_classes(path, data, images) for path in (reference, candidate)]
    found = compare(split, images.labels, *predictions)
    click.echo(json.dumps(dataclasses.asdict(found)) if as_json else "\n".join(comparison_lines(found)))
