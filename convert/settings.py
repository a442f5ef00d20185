"""How to convert, as validated data."""

import dataclasses
import shlex
from dataclasses import dataclass, field

from convert.compatibility.targets import parse_targets
from convert.evaluation.gate import Limits
from convert.flatbuffer.space_to_depth import COLUMNS, MOST_COLUMNS
from convert.quantization.calibration import DEFAULT_CALIBRATION, CalibrationSettings
from convert.quantization.recipes import Recipe
from edge_runtime.errors import BadArgument


@dataclass(frozen=True)
class ConversionSettings:
    """How to convert.

    limits: what the gate demands.
    qat: epochs of quantisation-aware training, for the recipes in `qat_recipes`; others are converted without.
    keep_passing: leave layers in higher precision where such a recipe would fail the gate on validation images.
    calibration: how ranges are found.
    simplify: convert a simpler model that computes the same, and tidy the file. Without it, a file is what TensorFlow's converter makes:
        to compare with.
    fold_columns: of the image that a convolution of one channel takes at once (`space_to_depth`): 4, 2, or 1 for the smallest
        file.
    runs_on: where files have to run, as `convert.compatibility.targets.parse_targets` takes it.
    try_runtimes: try files there, in environments that are made for it.

    Raises:
        BadArgument: nothing is known of a place to run on, or columns cannot be taken so many at once.
    """

    limits: Limits = field(default_factory=Limits)
    qat: int = 0
    qat_recipes: tuple[str, ...] = ("int8", "int4")
    keep_passing: bool = False
    calibration: CalibrationSettings = DEFAULT_CALIBRATION
    simplify: bool = True
    fold_columns: int = MOST_COLUMNS
    runs_on: tuple[str, ...] = ()
    try_runtimes: bool = False

    def for_recipe(self, recipe: Recipe) -> "ConversionSettings":
        """The settings without what does nothing for a recipe, so that its manifest doesn't say that it did."""
        runs_on = self.runs_on if recipe.weight_bits == 4 else ()
        if recipe.activation_bits == 8:
            return dataclasses.replace(self, runs_on=runs_on, qat=self.qat if recipe.short in self.qat_recipes else 0)
        calibration = dataclasses.replace(self.calibration, method="min-max") if recipe.static else DEFAULT_CALIBRATION
        return dataclasses.replace(self, runs_on=runs_on, qat=0, keep_passing=False, calibration=calibration)

    def __post_init__(self) -> None:
        parse_targets(self.runs_on)
        if self.fold_columns not in COLUMNS:
            raise BadArgument(f"fold_columns is {self.fold_columns}, expected 1, 2 or 4")

    @property
    def words(self) -> str:
        """The options of a command that has these settings."""
        limits = self.limits
        options = {
            "max-drop": limits.max_drop,
            "min-accuracy": limits.min_accuracy,
            "min-agreement": limits.min_agreement,
            "qat": self.qat or None,
        }
        words = [f"--{name} {value:g}" for name, value in options.items() if value is not None]
        words += [f"--fold-columns {self.fold_columns}"] if self.fold_columns != MOST_COLUMNS else []
        words += [f"--runs-on {shlex.quote(text)}" for text in self.runs_on]
        return " ".join([*words, *["--keep-passing"] * self.keep_passing]) + self.calibration.words


DEFAULT_SETTINGS = ConversionSettings()
