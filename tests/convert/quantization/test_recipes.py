"""Recipes: names and validation."""

import pytest

from convert.quantization.recipes import RECIPES, Recipe, find_recipe
from edge_runtime.errors import BadArgument
from edge_runtime.model.manifest import Tolerance


def test_the_recipes_are_those_of_the_design() -> None:
    """Short names are for files, full names state the precision."""
    assert {recipe.short: recipe.name for recipe in RECIPES.values()} == {
        "fp32": "float32",
        "fp16": "float16",
        "dynamic": "dynamic_wi8",
        "int8": "static_wi8_ai8",
        "int16x8": "static_wi8_ai16",
        "int4": "static_wi4_ai8",
    }
    assert [recipe.activation_bits for recipe in RECIPES.values()] == [32, 32, 32, 8, 16, 8]
    assert [recipe.weight_bits for recipe in RECIPES.values()] == [32, 32, 32, 8, 8, 4]
    assert RECIPES["int8"].file_name("cnn") == "cnn-int8.tflite"


@pytest.mark.parametrize("name", ["int8", "static_wi8_ai8"])
def test_a_recipe_is_found_by_either_name(name: str) -> None:
    """A recipe is found by its short or full name."""
    assert find_recipe(name) is RECIPES["int8"]


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    """An unknown recipe is exit 2."""
    with pytest.raises(BadArgument, match="known are fp32, fp16, dynamic, int8, int16x8, int4"):
        find_recipe("int3")


@pytest.mark.parametrize(
    ("name", "unit"), [("fast", "logits"), ("static_wi8_ai7", "steps"), ("float32", "steps"), ("static_wi8_ai8", "logits")]
)
def test_a_recipe_is_validated_when_it_is_made(name: str, unit: str) -> None:
    """A name without a known precision, or a tolerance in the wrong unit, raises."""
    with pytest.raises(ValueError, match=name):
        Recipe(name, "x", Tolerance(1, unit))
