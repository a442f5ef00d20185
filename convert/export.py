"""The conversion of a .keras file, step by step: load, build, fold and strip, judge, package, report."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convert.build import build_flatbuffer, without_training
from convert.compatibility.check import ExcludedRecipe, choose_recipes
from convert.compatibility.targets import parse_targets
from convert.conversion import Conversion, convert
from convert.evaluation.latency import Measure, measure_costs
from convert.quantization.recipes import RECIPES, Recipe, find_recipe
from convert.reporting.report import Render, write_report
from convert.settings import DEFAULT_SETTINGS, ConversionSettings
from convert.source.keras_loading import OWN_SCALE
from convert.source.source import Source, load_source
from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.errors import BadArgument, DigitsError
from train.data import Dataset

Step = Callable[[str], object]


@dataclass(frozen=True)
class ExportResult:
    """The conversions of a model.

    conversions: one for each recipe. excluded: recipes whose files do not run on the targets. models: files of converted models that were
    written. reports: other files that were written, the report page first. failures: why recipes could not be converted to, by their short
    names.
    """

    conversions: tuple[Conversion, ...]
    excluded: tuple[ExcludedRecipe, ...]
    models: tuple[Path, ...]
    reports: tuple[Path, ...]
    failures: Mapping[str, DigitsError] = field(default_factory=dict)

    def raise_failures(self) -> None:
        """Raise if a recipe failed, as an error of the first one's class."""
        raise_failures(self.failures, len(self.conversions) + len(self.failures))


def raise_failures(failures: Mapping[str, DigitsError], total: int) -> None:
    """Raise if there are failures of `total` recipes: the error itself of a single recipe, else one that names all."""
    for error in failures.values():
        if total == 1:
            raise error
        reasons = "; ".join(f"{recipe}: {failure}" for recipe, failure in failures.items())
        raise type(error)(f"{len(failures)} of {total} recipes failed: {reasons}")


def export(
    path: Path,
    data: Dataset,
    recipes: Sequence[Recipe],
    folder: Path,
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    input_scale: str | None = None,
    code: Path | None = None,
    settings: ConversionSettings = DEFAULT_SETTINGS,
    keep_failed: bool = False,
    leave_out: bool = False,
    keep_going: bool = False,
    force: bool = False,
    plot_layers: bool = False,
    step: Step = lambda _: None,
    measure: Measure | None = None,
    render: Render | None = None,
) -> ExportResult:
    """Convert a Keras model by each recipe; write NAME-RECIPE.tflite files and a report, NAME-conversion.json and .html.

    NAME-RECIPE-changed.png shows the test images whose label changed, if any.

    Args:
        path: the .keras or .h5 file, or the folder of a run.
        data: the data set that the model was trained on.
        recipes: what to convert to.
        folder: where files are written.
        name: of the model; that of its run's folder if None.
        labels: of the classes; their numbers if None.
        input_scale: range of the pixel values that the model was trained with; None to find it by the validation images.
        code: Python file that defines the model's custom layers; it is executed.
        settings: how to convert.
        keep_failed: write files that fail the gate, too.
        leave_out: skip recipes whose files do not run on `settings.runs_on`, as long as one does.
        keep_going: convert by the other recipes if one fails; its error is in the result. If all fail, that is raised.
        force: replace .tflite files. Reports are always replaced; entries about other recipes of the same model are kept.
        plot_layers: write NAME-layers.png, the error of each operator's output.
        step: called with the name of each step before it begins.
        measure: times the files; None to skip that.
        render: renders the report page; None to skip the page.

    Raises:
        WouldOverwrite: a file exists and `force` is false.
        BadArgument: quantisation-aware training is requested and applies to none of the recipes.
        DoesNotRun: a recipe's file does not run on the targets and must not be left out.
        DigitsError: the model cannot be used or converted.
    """
    _refuse_useless_training(recipes, settings)
    source = load_source(path, data, name, labels=labels, input_scale=input_scale, code=code)
    for note in _notes(source, found_scale=input_scale is None):
        step(f"{source.name}: {note}")
    for recipe in recipes:
        refuse_to_overwrite(folder / recipe.file_name(source.name), force)
    recipes, excluded = _choose(source, recipes, settings, leave_out, step)
    for misfit in excluded:  # an older file of that name must not be taken for one that runs on the targets
        (folder / find_recipe(misfit.recipe).file_name(source.name)).unlink(missing_ok=True)
    conversions: list[Conversion] = []
    failures: dict[str, DigitsError] = {}
    for recipe in recipes:
        step(f"{source.name}: {recipe.short}")
        made = _convert(source, recipe, settings, folder, keep_going)
        if isinstance(made, DigitsError):
            failures[recipe.short] = made
        else:
            conversions.append(made)
            _write_model(folder, made, keep_failed, force)
    if not conversions:
        raise_failures(failures, len(failures))
    if measure:
        step(f"{source.name}: latency")
        conversions = _with_costs(source, conversions, settings, measure)
    reports = write_report(folder, source, conversions, excluded, failures, render=render, plot_layers=plot_layers)
    models = (path for conversion in conversions if (path := folder / conversion.file_name).exists())
    return ExportResult(tuple(conversions), excluded, tuple(models), tuple(reports), failures)


def _refuse_useless_training(recipes: Sequence[Recipe], settings: ConversionSettings) -> None:
    if settings.qat and not any(recipe.short in settings.qat_recipes for recipe in recipes):
        raise BadArgument(
            f"--qat is for int8 and int4, not for {', '.join(recipe.short for recipe in recipes)}; add --recipe int8 or omit --qat"
        )


def _notes(source: Source, found_scale: bool) -> Iterator[str]:
    """What was found out about the model's input."""
    if found_scale and source.input_scale != OWN_SCALE:
        yield f"trained on pixels from {source.input_scale.replace('..', ' to ')}, by its loss on validation images"
    if source.input_note:
        yield f"images get {source.input_note}, for the input that it was built with"


def _choose(
    source: Source, recipes: Sequence[Recipe], settings: ConversionSettings, leave_out: bool, step: Step
) -> tuple[Sequence[Recipe], tuple[ExcludedRecipe, ...]]:
    targets = parse_targets(settings.runs_on)
    if not targets:
        return recipes, ()
    return choose_recipes(
        recipes,
        lambda recipe: without_training(source, recipe, settings),
        targets,
        try_runtimes=settings.try_runtimes,
        leave_out=leave_out,
        step=lambda recipe: step(f"{source.name}: {recipe.short} for {', '.join(settings.runs_on)}"),
    )


def _convert(
    source: Source, recipe: Recipe, settings: ConversionSettings, folder: Path, keep_going: bool
) -> Conversion | DigitsError:
    try:
        return convert(source, recipe, settings)
    except DigitsError as error:
        if not keep_going:
            raise
        (folder / recipe.file_name(source.name)).unlink(missing_ok=True)  # an older file must not be taken for this one
        return error


def _write_model(folder: Path, conversion: Conversion, keep_failed: bool, force: bool) -> None:
    path = folder / conversion.file_name
    if conversion.runs_on_targets and (conversion.manifest.verdict.passed or keep_failed):
        write_file(path, conversion.content, force)
    else:
        path.unlink(missing_ok=True)  # an older file must not be taken for this one


def _with_costs(
    source: Source, conversions: Sequence[Conversion], settings: ConversionSettings, measure: Measure
) -> list[Conversion]:
    fp32 = RECIPES["fp32"]
    floats = build_flatbuffer(source, fp32, settings.for_recipe(fp32)).flatbuffer
    files = [conversion.model.flatbuffer for conversion in conversions]
    costs = measure_costs(floats, files, source.data.validation.images, measure)
    return [dataclasses.replace(conversion, cost=cost) for conversion, cost in zip(conversions, costs, strict=True)]
