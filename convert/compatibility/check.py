"""Check on which runtimes a recipe's files run: before conversion by their operators, after it by running the file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from convert.compatibility.microcontrollers import TFLM, reasons_against, try_golden
from convert.compatibility.operator_support import Obstacle, State, obstacles
from convert.compatibility.runtime_environments import RuntimeCheck, check_file, is_installed
from convert.compatibility.targets import Target, devices_of, oldest_and_newest, releases_of
from convert.quantization.recipes import RECIPES, Recipe
from edge_runtime.errors import DigitsError, InputError
from edge_runtime.model.model_file import parse_model_file

Build = Callable[[Recipe], bytes]
"""Builds a recipe's FlatBuffer without training it; its operators are those of the final one."""


class DoesNotRun(InputError):
    """No requested recipe gives a file that runs on the targets, or one that was named does not."""


@dataclass(frozen=True)
class ExcludedRecipe:
    """A recipe whose file does not run on the targets, by its short name, and why."""

    recipe: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        more = f", and {len(self.reasons) - 1} more like that" if len(self.reasons) > 1 else ""
        return f"{self.recipe}: {self.reasons[0]}{more}"


@dataclass(frozen=True)
class CompatibilityReport:
    """Whether a file runs on its targets.

    targets: as requested. releases: what they stand for. reasons: why it does not run; empty if it does. trials: runs of the file in
    releases that are available.
    """

    targets: tuple[str, ...]
    releases: tuple[str, ...]
    reasons: tuple[str, ...]
    trials: tuple[RuntimeCheck, ...]

    @property
    def runs(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons


def choose_recipes(
    recipes: Sequence[Recipe],
    build: Build,
    targets: Sequence[Target],
    *,
    try_runtimes: bool,
    leave_out: bool,
    step: Callable[[Recipe], object] = lambda _: None,
) -> tuple[list[Recipe], tuple[ExcludedRecipe, ...]]:
    """Split recipes into those whose files run on all targets and the others. Nothing is trained.

    An unproven operator does not exclude a recipe as long as its file can be tried in the runtime.

    Args:
        recipes: to choose from.
        build: builds a recipe's FlatBuffer.
        targets: where files have to run.
        try_runtimes: whether files can be tried in runtimes that are not installed here.
        leave_out: exclude recipes without an error as long as one is left.
        step: called with each recipe before it is built.

    Raises:
        DoesNotRun: no recipe is left, or one is excluded and `leave_out` is false; the message has the reasons and the recipes that run.
    """
    previews = {}
    for recipe in recipes:
        step(recipe)
        previews[recipe] = _preview(recipe, build, targets, try_runtimes)
    excluded = tuple(ExcludedRecipe(recipe.short, preview.reasons) for recipe, preview in previews.items() if preview.reasons)
    chosen = [recipe for recipe, preview in previews.items() if not preview.reasons]
    if excluded and (not chosen or not leave_out):
        size = next(preview.payload_bytes for preview in previews.values() if preview.reasons)
        others = {recipe: _preview(recipe, build, targets, try_runtimes) for recipe in RECIPES.values() if recipe not in previews}
        raise DoesNotRun(f"{'; '.join(map(str, excluded))}; {_alternatives({**previews, **others}, size)}")
    return chosen, excluded


def check_compatibility(content: bytes, targets: Sequence[Target], *, try_runtimes: bool) -> CompatibilityReport:
    """Check a self-describing file against the operator table, and run it in the releases that are available.

    These are the targets' releases that are installed here; with `try_runtimes`, the oldest and the newest release of each target and those
    in which an operator is unproven, in environments made for it. TFLite Micro runs it where its package is installed.
    """
    model = parse_model_file(content)
    against = obstacles(model.graph, releases_of(targets))
    unproven = [release for obstacle in against if obstacle.state is State.UNPROVEN for release in obstacle.releases]
    wanted = dict.fromkeys([*oldest_and_newest(targets), *unproven]) if try_runtimes else filter(is_installed, releases_of(targets))
    trials = {release: check_file(content, release) for release in wanted}
    passed = {release for release, trial in trials.items() if trial.passed}
    on_devices = [reason for device in devices_of(targets) for reason in reasons_against(model, device)]
    micro = try_golden(model) if TFLM in devices_of(targets) and not on_devices else None
    tried = (*trials.values(), *((micro,) if micro else ()))
    failed = [f"on {trial.release}: {trial.message}" for trial in tried if trial.passed is False]
    return CompatibilityReport(
        tuple(target.text for target in targets),
        tuple(map(str, releases_of(targets))),
        (
            *(str(obstacle) for obstacle in against if obstacle.state is State.REFUSED or not passed.issuperset(obstacle.releases)),
            *on_devices,
            *failed,
        ),
        tried,
    )


@dataclass(frozen=True)
class _Preview:
    """Reasons against a recipe before its file is tried, and the payload bytes it would have."""

    reasons: tuple[str, ...]
    payload_bytes: int


def _preview(recipe: Recipe, build: Build, targets: Sequence[Target], try_runtimes: bool) -> _Preview:
    try:
        model = parse_model_file(build(recipe))
    except DigitsError as error:  # the recipe cannot be applied to this model
        return _Preview((str(error),), 0)
    against = obstacles(model.graph, releases_of(targets))
    reasons = [_reason(obstacle) for obstacle in against if _is_final(obstacle, try_runtimes)]
    reasons += [reason for device in devices_of(targets) for reason in reasons_against(model, device)]
    return _Preview(tuple(reasons), model.graph.payload_bytes)


def _is_final(obstacle: Obstacle, try_runtimes: bool) -> bool:
    """Whether running the file cannot settle it."""
    return obstacle.state is State.REFUSED or not (try_runtimes or all(map(is_installed, obstacle.releases)))


def _reason(obstacle: Obstacle) -> str:
    return str(obstacle) + ("; --try-runtimes tries it" if obstacle.state is State.UNPROVEN else "")


def _alternatives(previews: Mapping[Recipe, _Preview], size: int) -> str:
    """The recipes that run, the nearest in size first."""
    chosen = sorted(
        (recipe for recipe in previews if not previews[recipe].reasons),
        key=lambda recipe: abs(previews[recipe].payload_bytes - size),
    )
    if not chosen:
        return "no recipe does"
    return "these do: " + ", ".join(f"{recipe.short} ({previews[recipe].payload_bytes:,} payload bytes)" for recipe in chosen)
