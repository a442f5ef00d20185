"""Files that between them hold the operators of digit classifiers: the models of tools/release/operators/zoo.py by every recipe."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.compatibility.operator_support import Use, uses
from convert.quantization.recipes import RECIPES, Recipe
from edge_runtime.errors import DigitsError
from edge_runtime.model.graph import read_graph
from train.data import load_dataset

_CALIBRATION = 100
_BY_DEFAULT = ("dense", "dense_no_bias", "dense_only")  # also with what TensorFlow's converter does by itself for 8-bit weights
_AS_THEY_ARE = ("conv_dilated", "conv_dilated_norm", "dense", "flatten", "permute", "reshape")  # also without our simplifying
_AS_FOLDED = "-folded"
_FOLDED = ("conv", "conv_no_bias")  # also as `convert` writes them, with the first convolution on several columns at once


@dataclass(frozen=True)
class Sample:
    """A file to try: its recipe, for the tolerance, and what it needs."""

    recipe: Recipe
    content: bytes
    uses: tuple[Use, ...]


def make_samples() -> dict[str, Sample]:
    """Every model by every recipe that can be made of it, by the name of the model and the way it was made."""
    from tools.release.operators.zoo import models

    images = load_dataset().train.images[:_CALIBRATION]
    samples: dict[str, Sample] = {}
    for name, model in models():
        for way, recipe, make in _ways(name, model, images):
            try:
                content = make()
            except DigitsError:  # a recipe that has no such operator
                continue
            if way.endswith(_AS_FOLDED) and content == samples[f"{name}-{recipe.short}"].content:  # a recipe that is not folded
                continue
            samples[f"{name}-{way}"] = Sample(recipe, content, uses(read_graph(content)))
    return samples


def _ways(name: str, model: Any, images: NDArray[np.uint8]) -> Iterator[tuple[str, Recipe, Callable[[], bytes]]]:
    from convert.flatbuffer.float_model import FloatModel
    from convert.quantization.activation_ranges import ranges_on
    from convert.quantization.quantizer import FLOAT, quantize, weight_bits, weighted
    from convert.source.tf_converter import to_flatbuffer

    for recipe in RECIPES.values():
        if recipe.weight_bits == 4:
            continue
        yield recipe.short, recipe, partial(to_flatbuffer, model, recipe, images)
        if name in _AS_THEY_ARE:
            yield f"{recipe.short}-as-is", recipe, partial(to_flatbuffer, model, recipe, images, simplify=False)
        if name in _FOLDED:
            yield f"{recipe.short}{_AS_FOLDED}", recipe, partial(_folded, model, recipe, images)
    if name in _BY_DEFAULT:
        yield "dynamic-by-default", RECIPES["dynamic"], partial(_by_default, model)
    floats = to_flatbuffer(model, RECIPES["fp32"], images)
    ranges, layers = ranges_on(floats, images), weighted(floats, lambda _: 8)
    dense = [operation.output for operation in FloatModel(floats).operations if operation.kind == "FULLY_CONNECTED"]
    bits = {
        "int8-own": lambda _: 8,  # by the quantiser that calibration and training go through
        "int8-last-float": lambda operation: FLOAT if operation.output == layers[-1] else 8,
        "int8-first-float": lambda operation: FLOAT if operation.output == layers[0] else 8,
        "int4": weight_bits(floats, 4),
        "int4-all": lambda operation: 8 if operation.kind == "DEPTHWISE_CONV_2D" else 4,
        "int4-dense8": lambda operation: 8 if operation.output in dense or operation.kind == "DEPTHWISE_CONV_2D" else 4,
    }
    for way, chosen in bits.items():
        yield way, RECIPES[way.partition("-")[0]], partial(quantize, floats, ranges, chosen)


def _folded(model: Any, recipe: Recipe, images: NDArray[np.uint8]) -> bytes:
    from convert.flatbuffer.space_to_depth import to_space_to_depth
    from convert.source.tf_converter import to_flatbuffer

    return to_space_to_depth(to_flatbuffer(model, recipe, images))


def _by_default(model: Any) -> bytes:
    """8-bit weights with a scale for each unit of a dense layer, as others' files have them."""
    from convert.quiet import quiet
    from train.backend import tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with quiet():
        return bytes(converter.convert())
