"""Short names of recipes."""

import pytest

from edge_runtime.model.recipe_names import SHORT_NAMES, short_recipe


@pytest.mark.extras
def test_short_names_are_those_of_the_recipes() -> None:
    """`edge_runtime` may not import `convert`, so it has a table of its own."""
    from convert.quantization.recipes import RECIPES

    assert {recipe.name: recipe.short for recipe in RECIPES.values()} == SHORT_NAMES


def test_what_is_no_recipe_keeps_its_name() -> None:
    """A plain .tflite file has none."""
    assert (short_recipe("static_wi8_ai8"), short_recipe("unknown")) == ("int8", "unknown")
