"""Short names of recipes."""

import pytest

from edge_runtime.model.recipe_names import SHORT_NAMES, short_recipe


@pytest.mark.extras
def test_short_names_are_those_of_the_recipes() -> None:
    """Every recipe has one, as in all files that were made before."""
    from convert.quantization.recipes import RECIPES

    assert {recipe.name: recipe.short for recipe in RECIPES.values()} == SHORT_NAMES
    assert SHORT_NAMES == {
        "float32": "fp32",
        "float16": "fp16",
        "dynamic_wi8": "dynamic",
        "static_wi8_ai8": "int8",
        "static_wi8_ai16": "int16x8",
        "static_wi4_ai8": "int4",
    }


def test_what_is_no_recipe_keeps_its_name() -> None:
    """A plain .tflite file has none."""
    assert (short_recipe("static_wi8_ai8"), short_recipe("unknown")) == ("int8", "unknown")
