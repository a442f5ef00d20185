"""Short names of recipes."""

from benchmarks.results.recipes import SHORT_NAMES, short_recipe
from convert.quantization.recipes import RECIPES


def test_short_names_are_those_of_the_recipes() -> None:
    """`benchmarks` may not import them, so it has a table of its own."""
    assert {recipe.name: recipe.short for recipe in RECIPES.values()} == SHORT_NAMES


def test_what_is_no_recipe_keeps_its_name() -> None:
    """A plain .tflite file has none."""
    assert (short_recipe("static_wi8_ai8"), short_recipe("unknown")) == ("int8", "unknown")
