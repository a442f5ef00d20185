"""Keras models to TFLite FlatBuffers, with built-in operators alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.quiet import quiet
from convert.recipes import Recipe
from convert.simplify import simplified
from edge_runtime.errors import DigitsError, InputError
from edge_runtime.graph import read_graph
from edge_runtime.interpreter import one_line
from train.backend import keras, tf
from train.models import model_input

_CALIBRATION_BATCH = 100


def to_flatbuffer(
    model: keras.Model, recipe: Recipe, calibration: NDArray[np.uint8] | None = None, *, simplify: bool = True
) -> bytes:
    """Convert a Keras model.

    Args:
        model: takes pixel values from 0 to 255, gives logits.
        recipe: which precision.
        calibration: uint8 [N, 28, 28], on which static recipes measure ranges; others do without.
        simplify: convert a simpler model that computes the same; without it, what TensorFlow makes of the model as it is.

    Returns:
        A TFLite FlatBuffer. The same model, recipe and images give the same bytes.

    Raises:
        DigitsError: TensorFlow's converter failed.
        InputError: the model needs operators that a light runtime does not have.
    """
    converter = tf.lite.TFLiteConverter.from_keras_model(simplified(model) if simplify else model)
    _set_precision(converter, recipe)
    if recipe.static:
        assert calibration is not None, recipe.name
        converter.representative_dataset = lambda: _calibration_batches(model, calibration)
    try:
        with quiet():
            flatbuffer: bytes = converter.convert()
    except Exception as error:  # the converter raises its own ConverterError, and others from TensorFlow and Keras
        raise DigitsError(f"TensorFlow cannot convert the model to {recipe.name} ({one_line(error)[:300]})") from error
    _refuse_custom_operators(flatbuffer)
    return flatbuffer


def _set_precision(converter: Any, recipe: Recipe) -> None:
    operators = tf.lite.OpsSet
    if recipe.name == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.name == "dynamic_wi8":
        # One scale for a whole dense layer: with one for each unit it is FULLY_CONNECTED version 12, which tflite-runtime 2.14 lacks.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if recipe.name == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif recipe.static:
        integers = {8: tf.int8, 16: tf.int16}[recipe.activation_bits]
        # int8 inputs rather than uint8: those would cost one more QUANTIZE operator.
        converter.inference_input_type = converter.inference_output_type = integers
        converter.target_spec.supported_ops = [
            operators.TFLITE_BUILTINS_INT8
            if recipe.activation_bits == 8
            else operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]


def _calibration_batches(model: keras.Model, images: NDArray[np.uint8]) -> Iterator[list[NDArray[np.float32]]]:
    """Calibration in batches: ten times as fast as one image at a time."""
    inputs = model_input(images, model.input_shape)
    for start in range(0, len(inputs), _CALIBRATION_BATCH):
        yield [inputs[start : start + _CALIBRATION_BATCH]]


def _refuse_custom_operators(flatbuffer: bytes) -> None:
    custom = sorted({operator.name for operator in read_graph(flatbuffer).operators if operator.custom})
    if custom:
        raise InputError(f"the model needs operators that a light runtime does not have: {', '.join(custom)}")
