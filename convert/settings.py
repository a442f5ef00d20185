"""Settings of a conversion, validated."""

import dataclasses
import shlex
from dataclasses import dataclass, field

from convert.compatibility.targets import parse_targets
from convert.evaluation.gate import Limits
from convert.flatbuffer.space_to_depth import COLUMNS, MAX_COLUMNS
from convert.quantization.calibration import DEFAULT_CALIBRATION, CalibrationSettings
from convert.quantization.recipes import Recipe
from edge_runtime.errors import BadArgument


@dataclass(frozen=True)
class ConversionSettings:
    """Settings of a conversion.

    limits: what the gate demands.
    qat: epochs of quantisation-aware training for the recipes in `qat_recipes`; other recipes are converted without.
    keep_passing: keep layers in higher precision if such a recipe would fail the gate on validation images, as far as these can tell.
    calibration: how activation ranges are measured.
    simplify: simplify the model first, and fold and strip the FlatBuffer. If false, the file is what TensorFlow's converter makes, for
        comparison.
    fold_columns: columns that a convolution of one channel computes at once, at most (`space_to_depth`): 4, 2, or 1 for the smallest file.
    runs_on: targets, as `convert.compatibility.targets.parse_targets` takes them.
    try_runtimes: run files on the targets' releases, in environments made for it.
    threads: CPU threads of training, for the record; None for all. `train.loop.threads.limit_threads` sets them.

    Raises:
        BadArgument: a target is unknown, or `fold_columns` is not 1, 2 or 4.
    """

    limits: Limits = field(default_factory=Limits)
    qat: int = 0
    qat_recipes: tuple[str, ...] = ("int8", "int4")
    keep_passing: bool = False
    calibration: CalibrationSettings = DEFAULT_CALIBRATION
    simplify: bool = True
    fold_columns: int = MAX_COLUMNS
    runs_on: tuple[str, ...] = ()
    try_runtimes: bool = False
    threads: int | None = None

    def for_recipe(self, recipe: Recipe) -> "ConversionSettings":
        """The settings that have an effect on a recipe, so that its manifest names no others."""
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
    def command_options(self) -> str:
        """The settings as command-line options."""
        limits = self.limits
        options = {
            "max-drop": limits.max_drop,
            "min-accuracy": limits.min_accuracy,
            "min-agreement": limits.min_agreement,
            "qat": self.qat or None,
            "threads": self.threads if self.qat else None,  # nothing else depends on them
        }
        words = [f"--{name} {value:g}" for name, value in options.items() if value is not None]
        words += [f"--fold-columns {self.fold_columns}"] if self.fold_columns != MAX_COLUMNS else []
        words += [f"--runs-on {shlex.quote(text)}" for text in self.runs_on]
        return " ".join([*words, *["--keep-passing"] * self.keep_passing]) + self.calibration.command_options


DEFAULT_SETTINGS = ConversionSettings()
