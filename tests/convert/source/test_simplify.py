"""Simplified Keras models have the same outputs, with weights folded in float64."""

from collections.abc import Callable

import numpy as np
import pytest

from convert.flatbuffer.float_model import FloatModel
from convert.quantization.recipes import RECIPES
from convert.source.simplify import simplify_model
from convert.source.tf_converter import to_flatbuffer
from edge_runtime.model.graph import read_graph
from train.backend import keras, layers

Network = Callable[[], keras.Model]


def _network(*chain: Callable[[], layers.Layer], shape: tuple[int, ...] = (28, 28, 1)) -> keras.Model:
    x = inputs = keras.Input(shape)
    for make in chain:
        x = make()(x)
    return keras.Model(inputs, layers.Dense(10)(x if len(x.shape) == 2 else layers.Flatten()(x)))


def _randomised(model: keras.Model) -> keras.Model:
    """Draw all weights at random, so that no normalisation is the identity."""
    random = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _randomised(layer)
        else:
            layer.set_weights([random.uniform(0.3, 1.5, weight.shape) * random.choice([-1, 1]) for weight in layer.get_weights()])
        for variable in layer.weights if type(layer) is layers.BatchNormalization else ():
            if "variance" in variable.path:
                variable.assign(random.uniform(0.01, 2, variable.shape))
    return model


def _norm(**options: object) -> Callable[[], layers.Layer]:
    return lambda: layers.BatchNormalization(**options)


def _residual() -> keras.Model:
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(4, 3, strides=4, padding="same", use_bias=False)(inputs)
    y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x)))
    x = layers.Add()([layers.BatchNormalization()(x), y])  # x goes to two layers
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(x)))


def _shared() -> keras.Model:
    """One convolution on two images: what comes after its first use does not come after its second."""
    inputs = keras.Input((28, 28, 1))
    convolution = layers.Conv2D(3, 5, strides=5)
    left, right = convolution(inputs), convolution(layers.Rescaling(1 / 255)(inputs))
    x = layers.Concatenate()([layers.BatchNormalization()(left), right])
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(x)))


def _nested() -> keras.Model:
    inner = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(4, 5, strides=4), layers.BatchNormalization(), layers.ReLU()])
    inputs = keras.Input((28, 28, 1))
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(inner(inputs))))


NORMALISED: dict[str, tuple[Network, list[str]]] = {
    "convolution": (
        lambda: _network(lambda: layers.Conv2D(6, 3, strides=3), _norm(), layers.ReLU),
        ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"],
    ),
    "convolution without bias": (
        lambda: _network(lambda: layers.Conv2D(6, 3, strides=3, use_bias=False), _norm(scale=False), layers.ReLU),
        ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"],
    ),
    "dilated convolution": (
        lambda: _network(lambda: layers.Conv2D(6, 3, dilation_rate=2), _norm(center=False), layers.ReLU),
        ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"],
    ),
    "depthwise convolution": (
        lambda: _network(lambda: layers.Conv2D(4, 3, strides=3), lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), _norm()),
        ["CONV_2D", "DEPTHWISE_CONV_2D", "RESHAPE", "FULLY_CONNECTED"],
    ),
    "dense layer": (
        lambda: _network(layers.Flatten, lambda: layers.Dense(12), _norm(epsilon=0.01), layers.ReLU),
        ["RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED"],
    ),
    "scaled pixels": (
        lambda: _network(lambda: layers.Rescaling(1 / 255), lambda: layers.Conv2D(6, 3, strides=3), _norm(), layers.ReLU),
        ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"],
    ),
    "nested": (_nested, ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]),
    "after an activation": (
        lambda: _network(lambda: layers.Conv2D(6, 3, strides=3, activation="relu"), _norm()),
        ["CONV_2D", "MUL", "ADD", "RESHAPE", "FULLY_CONNECTED"],
    ),
    "with another consumer": (_residual, ["CONV_2D", "CONV_2D", "MUL", "ADD", "ADD", "RESHAPE", "FULLY_CONNECTED"]),
    "of a shared layer": (_shared, []),
    "over rows": (
        lambda: _network(lambda: layers.Conv2D(6, 3, strides=3), lambda: layers.BatchNormalization(axis=1), layers.ReLU),
        [],
    ),
}


RARE = ("convolution without bias", "dilated convolution", "scaled pixels", "after an activation", "over rows")


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in RARE else ()) for name in NORMALISED])
def test_batch_normalisation_goes_and_the_answers_stay(name: str) -> None:
    """Logits of random images differ only by float rounding; folded layers leave no operator."""
    make, operators = NORMALISED[name]
    model = _randomised(make())
    images = np.random.default_rng(5).integers(0, 256, (20, *model.input_shape[1:])).astype(np.float32)
    expected = model.predict(images, verbose=0)
    found = simplify_model(model).predict(images, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    if operators:
        kinds = [operator.name for operator in read_graph(to_flatbuffer(model, RECIPES["fp32"])).operators]
        assert sorted(kinds) == sorted(operators)


def test_a_weight_is_rounded_once() -> None:
    """Kernel times scale times gamma / sqrt(variance + epsilon), in Python floats, is the file's float32 to the last bit."""
    model = _randomised(
        _network(lambda: layers.Rescaling(1 / 255), lambda: layers.Conv2D(5, 3, strides=9), _norm(), shape=(28, 28, 1))
    )
    _, _, convolution, normalization, *_ = model.layers
    kernel, bias = (values.astype(np.float64) for values in convolution.get_weights())
    gamma, beta, mean, variance = (values.astype(np.float64) for values in normalization.get_weights())
    factor = gamma / np.sqrt(variance + normalization.epsilon)
    file = FloatModel(to_flatbuffer(model, RECIPES["fp32"]))
    weights, biases = file.operations[0].constants
    np.testing.assert_array_equal(file.constant(weights), np.float32(kernel * (1 / 255) * factor).transpose(3, 0, 1, 2))
    np.testing.assert_array_equal(file.constant(biases), np.float32(bias * factor + (beta - mean * factor)))
