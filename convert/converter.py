"""Keras models to TFLite FlatBuffers, with built-in operators alone."""

import contextlib
import io
import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.recipes import Recipe
from edge_runtime.errors import DigitsError, InputError
from edge_runtime.graph import read_graph
from edge_runtime.interpreter import one_line, quiet_stderr
from train.backend import keras, tf
from train.models import model_input

_CALIBRATION_BATCH = 100


def to_flatbuffer(model: keras.Model, recipe: Recipe, calibration: NDArray[np.uint8]) -> bytes:
    """Convert a Keras model.

    Args:
        model: takes pixel values from 0 to 255, gives logits.
        recipe: which precision.
        calibration: uint8 [N, 28, 28], on which static recipes measure ranges; others ignore it.

    Returns:
        A TFLite FlatBuffer. The same model, recipe and images give the same bytes.

    Raises:
        DigitsError: TensorFlow's converter failed.
        InputError: the model needs operators that a light runtime does not have.
    """
    converter = tf.lite.TFLiteConverter.from_keras_model(_for_export(model))
    _set_precision(converter, recipe)
    if recipe.static:
        converter.representative_dataset = lambda: _calibration_batches(model, calibration)
    try:
        with _quiet():
            flatbuffer: bytes = converter.convert()
    except Exception as error:  # the converter raises its own ConverterError, and others from TensorFlow and Keras
        raise DigitsError(f"TensorFlow cannot convert the model to {recipe.name} ({one_line(error)[:300]})") from error
    _refuse_custom_operators(flatbuffer)
    return flatbuffer


class _DilatedConvolution(keras.layers.Conv2D):  # type: ignore[misc]  # Keras has no types
    """A convolution with dilation as one operator.

    Keras' own is three, SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND around the convolution, and batch normalisation is not folded through them.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)


def _for_export(model: keras.Model) -> keras.Model:
    """A copy that computes the same and makes a smaller file.

    Its layers are called l0, l1...: the converter writes each layer's name into the file up to four times.
    """
    numbers = itertools.count()

    def copy(layer: Any) -> Any:
        kind = type(layer)
        if (
            kind is keras.layers.Conv2D
            and max(layer.dilation_rate) > 1
            and layer.data_format == "channels_last"
            and layer.groups == 1
        ):
            kind = _DilatedConvolution
        return kind.from_config({**layer.get_config(), "name": f"l{next(numbers)}"})

    try:
        graph = keras.Model(model.inputs, model.outputs, name=model.name)  # without loss and metrics, which a clone would want too
    except (AttributeError, TypeError, ValueError):  # a subclassed model: nothing is known of its layers
        return model
    clone = keras.models.clone_model(graph, clone_function=copy)
    clone.set_weights(graph.get_weights())
    return clone


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the screen what Keras' export and the converter print and warn of: pages, none of them about the model."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), quiet_stderr():
        warnings.simplefilter("ignore")
        yield


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
