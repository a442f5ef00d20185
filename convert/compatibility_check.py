"""Which recipes give files that run where they have to, and whether a file really does."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from convert.build import without_training
from convert.compatibility.operator_support import Obstacle, State, obstacles
from convert.compatibility.runtime_environments import CompatibilityReport, check_file, is_here
from convert.compatibility.targets import Target, ends, parse_targets, releases_of
from convert.conversion import Conversion
from convert.quantization.recipes import RECIPES, Recipe
from convert.settings import ConversionSettings
from convert.source.source import Source
from edge_runtime.errors import DigitsError, InputError
from edge_runtime.model.graph import read_graph


class DoesNotRun(InputError):
    """A model cannot be made to run where it has to by the recipes that were asked for."""


@dataclass(frozen=True)
class ExcludedRecipe:
    """A recipe whose file would not run where it has to, and why."""

    recipe: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        more = f", and {len(self.reasons) - 1} more like that" if len(self.reasons) > 1 else ""
        return f"{self.recipe}: {self.reasons[0]}{more}"


def choose(
    source: Source,
    recipes: Sequence[Recipe],
    settings: ConversionSettings,
    *,
    leave_out: bool,
    step: Callable[[str], object] = lambda _: None,
) -> tuple[list[Recipe], tuple[ExcludedRecipe, ...]]:
    """The recipes whose files run where `settings.runs_on` demands, and the others. Nothing is trained for that.

    Operators that are unproven are no reason against a recipe as long as the file can be tried there.

    Args:
        source: what to convert.
        recipes: to choose from.
        settings: where files have to run.
        leave_out: go on without recipes that do not fit, as long as one does.
        step: told which recipe is looked at.

    Raises:
        DoesNotRun: no recipe fits, or one does not and may not be left out; the message has the reasons, and other recipes that do fit.
    """
    if not settings.runs_on:
        return list(recipes), ()
    targets = parse_targets(settings.runs_on)
    looks = {}
    for recipe in recipes:
        step(f"{source.name}: {recipe.short} for {', '.join(settings.runs_on)}")
        looks[recipe] = _look(source, recipe, settings, targets)
    out = tuple(ExcludedRecipe(recipe.short, look.reasons) for recipe, look in looks.items() if look.reasons)
    fitting = [recipe for recipe, look in looks.items() if not look.reasons]
    if out and (not fitting or not leave_out):
        size = next(look.payload_bytes for look in looks.values() if look.reasons)
        others = {recipe: _look(source, recipe, settings, targets) for recipe in RECIPES.values() if recipe not in looks}
        raise DoesNotRun(f"{'; '.join(map(str, out))}; {_that_fit({**looks, **others}, size)}")
    return fitting, out


def with_compatibility(conversion: Conversion, settings: ConversionSettings) -> Conversion:
    """A conversion that knows whether it runs where it has to: by the table, and by trials.

    A file is tried in what is installed here; with `settings.try_runtimes`, in environments with the oldest and the newest release of each
    target, and with those in which an operator is unproven.
    """
    if not settings.runs_on:
        return conversion
    targets = parse_targets(settings.runs_on)
    against = obstacles(conversion.model.graph, releases_of(targets))
    unproven = [release for found in against if found.state is State.UNPROVEN for release in found.releases]
    wanted = dict.fromkeys([*ends(targets), *unproven]) if settings.try_runtimes else filter(is_here, releases_of(targets))
    trials = {release: check_file(conversion.content, release) for release in wanted}
    failed = [f"on {trial.release}: {trial.said}" for trial in trials.values() if trial.passed is False]
    shown = {release for release, trial in trials.items() if trial.passed}
    fit = CompatibilityReport(
        settings.runs_on,
        tuple(map(str, releases_of(targets))),
        (*(str(found) for found in against if found.state is State.REFUSED or not shown.issuperset(found.releases)), *failed),
        tuple(trials.values()),
    )
    return dataclasses.replace(conversion, fit=fit)


def compatibility_lines(conversion: Conversion) -> list[str]:
    """What is known of where a file runs, for people: a line a fact."""
    fit = conversion.fit
    if fit is None:
        return []
    short, where = conversion.recipe.short, ", ".join(fit.targets)
    spared = conversion.manifest.origin.calibration.get("spared")
    verdict = f"runs on {where}" if fit.runs else f"is NOT known to run on {where}: {'; '.join(fit.reasons)}"
    tried = {True: "passed", False: "FAILED", None: "not tried"}
    return [
        f"{short}: {verdict}",
        *([f"{short}: in higher precision, to run there or to pass: {', '.join(spared)}"] if spared else []),
        *(f"{short}: {tried[trial.passed]} on {trial.release}: {trial.said}" for trial in fit.trials),
    ]


@dataclass(frozen=True)
class _Look:
    """What speaks against a recipe before its file is tried, and how large its payload would be."""

    reasons: tuple[str, ...]
    payload_bytes: int


def _look(source: Source, recipe: Recipe, settings: ConversionSettings, targets: Sequence[Target]) -> _Look:
    try:
        graph = read_graph(without_training(source, recipe, settings))
    except DigitsError as error:  # a recipe that cannot have this model
        return _Look((str(error),), 0)
    against = obstacles(graph, releases_of(targets))
    return _Look(tuple(_reason(found) for found in against if _is_final(found, settings)), graph.payload_bytes)


def _is_final(found: Obstacle, settings: ConversionSettings) -> bool:
    """Whether no trial can help."""
    return found.state is State.REFUSED or not (settings.try_runtimes or all(map(is_here, found.releases)))


def _reason(found: Obstacle) -> str:
    return str(found) + ("; --try-runtimes tries it" if found.state is State.UNPROVEN else "")


def _that_fit(looks: Mapping[Recipe, _Look], size: int) -> str:
    """Which recipes fit, the nearest in size first."""
    fitting = sorted(
        (recipe for recipe in looks if not looks[recipe].reasons), key=lambda recipe: abs(looks[recipe].payload_bytes - size)
    )
    if not fitting:
        return "no recipe does"
    return "these do: " + ", ".join(f"{recipe.short} ({looks[recipe].payload_bytes:,} payload bytes)" for recipe in fitting)
