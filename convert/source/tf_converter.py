"""Keras models to TFLite FlatBuffers, with built-in operators alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

from convert.quantization.activation_ranges import PIXEL_RANGE, Range, ranges_on
from convert.quantization.recipes import RECIPES, Recipe
from convert.quiet import quiet
from convert.source.simplify import simplify_model
from edge_runtime.errors import DigitsError, InputError
from edge_runtime.inference.interpreter import one_line
from edge_runtime.model.graph import read_graph
from train.backend import keras, tf
from train.model.architectures import model_input

_CALIBRATION_BATCH = 100


def to_flatbuffer(
    model: keras.Model, recipe: Recipe, calibration: NDArray[np.uint8] | None = None, *, simplify: bool = True
) -> bytes:
    """Convert a Keras model.

    Args:
        model: takes pixel values from 0 to 255, gives logits.
        recipe: which precision.
        calibration: uint8 [N, 28, 28], on which static recipes measure ranges; others do without.
        simplify: convert a simpler model that computes the same; without it, what TensorFlow makes of the model as it is, with ranges that
            it measures by itself.

    Returns:
        A TFLite FlatBuffer. With `simplify`, the same model, recipe and images give the same bytes, on every CPU.

    Raises:
        DigitsError: TensorFlow's converter failed.
        InputError: the model needs operators that a light runtime does not have.
    """
    if recipe.static and simplify:
        assert calibration is not None, recipe.name
        floats = to_flatbuffer(model, RECIPES["fp32"])
        return with_ranges(floats, ranges_on(floats, calibration), recipe)
    converter = tf.lite.TFLiteConverter.from_keras_model(simplify_model(model) if simplify else model)
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


def with_ranges(flatbuffer: bytes, ranges: Mapping[int, Range], recipe: Recipe) -> bytes:
    """Quantise a float file by TensorFlow's quantisers with ranges that are given, rather than measured in float32 on this CPU.

    What `TFLiteConverter` calls after it has measured ranges is called here: functions that TensorFlow does not document.

    Args:
        flatbuffer: the float file.
        ranges: least and largest value of each activation by the tensor's number. The input's is taken to be that of pixels.
        recipe: static, with 8-bit weights.

    Raises:
        DigitsError: the quantiser failed.
        InputError: the model needs operators that a light runtime does not have.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    graph = model.subgraphs[0]
    for number, (low, high) in {**ranges, int(graph.inputs[0]): PIXEL_RANGE}.items():
        found = graph.tensors[number].quantization = schema.QuantizationParametersT()
        found.min, found.max = [low], [high]
    measured = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    quantize = _quantize_to_int8 if recipe.activation_bits == 8 else _quantize_to_int16
    try:
        with quiet():
            quantised = quantize(measured)
    except Exception as error:  # RuntimeError, ValueError and ConverterError
        raise DigitsError(f"TensorFlow cannot quantise the model to {recipe.name} ({one_line(error)[:300]})") from error
    _refuse_custom_operators(quantised)
    return quantised


def _quantize_to_int8(measured: bytes) -> bytes:
    from tensorflow.lite.python.convert import mlir_quantize

    return bytes(mlir_quantize(measured, input_data_type=tf.int8, output_data_type=tf.int8))


def _quantize_to_int16(measured: bytes) -> bytes:
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    int16, int64 = (np.dtype(name).num for name in ("int16", "int64"))
    # Input, output, whether operators may stay floats, activations, biases, and no single scale for all channels of a weight.
    return bytes(Calibrator(measured)._calibrator.QuantizeModel(int16, int16, False, int16, int64, False, False))


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
