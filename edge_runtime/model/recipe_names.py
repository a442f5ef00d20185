"""Short names of recipes, shown in all output; manifests and results files store the long ones."""

SHORT_NAMES = {
    "float32": "fp32",
    "float16": "fp16",
    "dynamic_wi8": "dynamic",
    "static_wi8_ai8": "int8",
    "static_wi8_ai16": "int16x8",
    "static_wi4_ai8": "int4",
}


def short_recipe(name: str) -> str:
    """The short name of a recipe, such as int8; `name` itself if it is no recipe's."""
    return SHORT_NAMES.get(name, name)
