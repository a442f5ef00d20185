"""Convert Keras models to TFLite FlatBuffers by TensorFlow's converter and quantisers, with built-in operators only."""

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
        model: takes pixel values from 0 to 255, outputs logits.
        recipe: the precision.
        calibration: uint8 [N, 28, 28], on which activation ranges are measured; only static recipes need them.
        simplify: first simplify the model without changing its outputs. If false, TensorFlow converts the model unchanged, and measures
            ranges itself.

    Returns:
        A TFLite FlatBuffer. With `simplify`, the same model, recipe and images give the same bytes on every CPU.

    Raises:
        DigitsError: TensorFlow's converter failed.
        InputError: the model has operators that are not built in.
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
    except Exception as error:  # ConverterError, and others from TensorFlow and Keras
        raise DigitsError(
            f"TensorFlow cannot convert the model to {recipe.short} ({one_line(error)[:300]}); try another --recipe"
        ) from error
    _refuse_custom_operators(flatbuffer)
    return flatbuffer


def with_ranges(flatbuffer: bytes, ranges: Mapping[int, Range], recipe: Recipe) -> bytes:
    """Quantise a float FlatBuffer by TensorFlow's quantisers, with given activation ranges.

    TFLiteConverter measures ranges in float32, which differs by CPU. Here its quantisers, which are not in TensorFlow's public API, are
    called with ranges that do not.

    Args:
        flatbuffer: the float model.
        ranges: minimum and maximum of each activation by tensor number. The input's is always that of pixels.
        recipe: a static one with 8-bit weights.

    Raises:
        DigitsError: the quantiser failed.
        InputError: the model has operators that are not built in.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    graph = model.subgraphs[0]
    for number, (low, high) in {**ranges, int(graph.inputs[0]): PIXEL_RANGE}.items():
        quantization = graph.tensors[number].quantization = schema.QuantizationParametersT()
        quantization.min, quantization.max = [low], [high]
    measured = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    quantize = _quantize_to_int8 if recipe.activation_bits == 8 else _quantize_to_int16
    try:
        with quiet():
            quantised = quantize(measured)
    except Exception as error:  # RuntimeError, ValueError and ConverterError
        raise DigitsError(
            f"TensorFlow cannot quantise the model to {recipe.short} ({one_line(error)[:300]}); try another --recipe"
        ) from error
    _refuse_custom_operators(quantised)
    return quantised


def _quantize_to_int8(measured: bytes) -> bytes:
    from tensorflow.lite.python.convert import mlir_quantize

    return bytes(mlir_quantize(measured, input_data_type=tf.int8, output_data_type=tf.int8))


def _quantize_to_int16(measured: bytes) -> bytes:
    from tensorflow.lite.python.optimize.calibrator import Calibrator

    int16, int64 = (np.dtype(name).num for name in ("int16", "int64"))
    # Input and output type, allow_float, activation and bias type, disable_per_channel, disable_per_channel_for_dense_layers.
    return bytes(Calibrator(measured)._calibrator.QuantizeModel(int16, int16, False, int16, int64, False, False))


def _set_precision(converter: Any, recipe: Recipe) -> None:
    operators = tf.lite.OpsSet
    if recipe.name == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.name == "dynamic_wi8":
        # Per-channel scales would make dense layers FULLY_CONNECTED version 12, which tflite-runtime 2.14 does not run.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if recipe.name == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif recipe.static:
        integers = {8: tf.int8, 16: tf.int16}[recipe.activation_bits]
        # uint8 inputs would add a QUANTIZE operator.
        converter.inference_input_type = converter.inference_output_type = integers
        converter.target_spec.supported_ops = [
            operators.TFLITE_BUILTINS_INT8
            if recipe.activation_bits == 8
            else operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]


def _calibration_batches(model: keras.Model, images: NDArray[np.uint8]) -> Iterator[list[NDArray[np.float32]]]:
    """Calibration images in batches, which is ten times as fast as one at a time."""
    inputs = model_input(images, model.input_shape)
    for start in range(0, len(inputs), _CALIBRATION_BATCH):
        yield [inputs[start : start + _CALIBRATION_BATCH]]


def _refuse_custom_operators(flatbuffer: bytes) -> None:
    custom = sorted({operator.name for operator in read_graph(flatbuffer).operators if operator.custom})
    if custom:
        raise InputError(
            f"the model needs operators that are not built into TFLite: {', '.join(custom)}; replace the layers that use them"
        )
