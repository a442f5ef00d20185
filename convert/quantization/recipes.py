"""Quantisation recipes. A name states the precision: `static_wi8_ai16` has 8-bit integer weights and 16-bit integer activations.

Static recipes measure activation ranges beforehand on calibration images; the dynamic one measures them at each inference.
"""

import re
from dataclasses import dataclass

from edge_runtime.errors import BadArgument
from edge_runtime.model.manifest import Tolerance
from edge_runtime.model.recipe_names import SHORT_NAMES

_NAME = re.compile(r"float(16|32)|dynamic_wi8|static_wi(?P<weights>4|8)_ai(?P<activations>8|16)")


@dataclass(frozen=True)
class Recipe:
    """How a float model becomes a TFLite file.

    name: states the precision of weights and activations; the name in manifests.
    short: for file names, options, tables and reports.
    tolerance: maximum difference of outputs on another machine or interpreter from those recorded here. Measured between LiteRT with and
        without XNNPACK, tflite-runtime 2.14, x86-64 and emulated Cortex-A72, with a margin for float sums in another order.
    """

    name: str
    short: str
    tolerance: Tolerance

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"recipe name {self.name!r} does not state a known precision")
        if (self.tolerance.unit == "steps") != self.static:
            raise ValueError(f"{self.name}: tolerance in {self.tolerance.unit}; integer outputs have steps, float outputs logits")

    @property
    def static(self) -> bool:
        """Whether activations are integers, with ranges measured on calibration images."""
        return self.name.startswith("static")

    @property
    def activation_bits(self) -> int:
        """Bits of inputs, outputs and everything between: 8, 16, or 32 for floats."""
        match = _NAME.fullmatch(self.name)
        return int(match["activations"]) if match and match["activations"] else 32

    @property
    def weight_bits(self) -> int:
        """Bits of weights that are multiplied as integers with integers: 4 or 8; else 32."""
        match = _NAME.fullmatch(self.name)
        return int(match["weights"]) if match and match["weights"] else 32

    def file_name(self, model: str) -> str:
        """Such as cnn-int8.tflite."""
        return f"{model}-{self.short}.tflite"


_TOLERANCES = {
    "float32": Tolerance(0.001, "logits"),
    "float16": Tolerance(0.001, "logits"),
    "dynamic_wi8": Tolerance(0.05, "logits"),
    "static_wi8_ai8": Tolerance(2.0, "steps"),  # small by tflite-runtime on an emulated Cortex-A7, A53 and A72
    "static_wi8_ai16": Tolerance(1.0, "steps"),
    "static_wi4_ai8": Tolerance(3.0, "steps"),  # nano on an emulated Cortex-A72
}
RECIPES = {short: Recipe(name, short, _TOLERANCES[name]) for name, short in SHORT_NAMES.items()}


def find_recipe(name: str) -> Recipe:
    """Find a recipe by its short or full name.

    Raises:
        BadArgument: the name is unknown; the message lists the known ones.
    """
    for recipe in RECIPES.values():
        if name in (recipe.short, recipe.name):
            return recipe
    raise BadArgument(f"unknown recipe {name!r}; known are {', '.join(RECIPES)}")
