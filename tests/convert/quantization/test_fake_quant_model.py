"""The fake-quantised model: outputs of the file, rounding of the quantiser, straight-through gradients."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from convert.flatbuffer.float_model import FloatModel
from convert.quantization.activation_ranges import ranges_on
from convert.quantization.fake_quant_model import FakeQuantization, FakeQuantModel
from convert.quantization.quantizer import quantize, weight_bits
from convert.quantization.recipes import RECIPES
from convert.source.tf_converter import to_flatbuffer
from edge_runtime.errors import InputError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.graph import read_graph
from edge_runtime.model.model_file import parse_model_file, read_model_file
from train.backend import keras, layers, tf
from train.config.training_config import TrainingConfig, parse_convolutions
from train.data import Dataset
from train.model.architectures import build


def _mixed() -> keras.Model:
    """A network with the operators that `build` doesn't make: padding, both pools, a sum of branches, depthwise, reshape."""
    inputs = keras.Input((28, 28, 1))
    x = layers.ZeroPadding2D(1)(layers.Rescaling(1 / 255)(inputs))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    x = layers.MaxPooling2D(2)(layers.Add()([x, y]))
    x = layers.AveragePooling2D(2)(x)
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(x)))


def _without_biases() -> keras.Model:
    """Dense layers without a bias, the first with an activation from -1 to 1."""
    inputs = keras.Input((28, 28, 1))
    x = layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
    x = layers.Dense(16, activation="hard_tanh", use_bias=False)(x)
    return keras.Model(inputs, layers.Dense(10, use_bias=False)(x))


def _averaging() -> keras.Model:
    """A network whose outputs are those of an average pooling."""
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(10, 14, strides=14)(layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, layers.Flatten()(layers.AveragePooling2D(2)(x)))


NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "cnn": lambda: build(TrainingConfig("cnn", convolutions=parse_convolutions("8k5s2v,dk3,16k3s2"))),
    "mixed": _mixed,
    "without biases": _without_biases,
    "averaging": _averaging,
    **{
        activation: lambda activation=activation: build(TrainingConfig("mlp", hidden=(32, 16), activation=activation))
        for activation in ("tanh", "gelu")
    },
}


@pytest.fixture(scope="module", params=["cnn", "mixed", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tanh", "gelu"))])
def floats(request: pytest.FixtureRequest, mnist_slice: Dataset) -> bytes:
    """A float file of each network, untrained."""
    keras.utils.set_random_seed(1)
    return to_flatbuffer(NETWORKS[request.param](), RECIPES["fp32"], mnist_slice.x_train[:10])


def _answers(flatbuffer: bytes, images: np.ndarray) -> np.ndarray:
    return Classifier(parse_model_file(flatbuffer, "x"), in_process=True).classify_batch(images).logits


def test_a_model_without_quantisation_computes_what_the_file_computes(floats: bytes, mnist_slice: Dataset) -> None:
    """Logits of 100 images."""
    images = mnist_slice.x_test[:100]
    np.testing.assert_allclose(FakeQuantModel(FloatModel(floats)).predict(images), _answers(floats, images), atol=1e-4)


@pytest.mark.parametrize("bits", [4, 8])
def test_the_file_computes_what_its_fake_quant_model_computes(floats: bytes, mnist_slice: Dataset, bits: int) -> None:
    """Logits of 500 images, in steps of the output, nearly all differ by at most one."""
    ranges, of = ranges_on(floats, mnist_slice.x_train[:200]), weight_bits(floats, bits)
    model = FakeQuantModel(FloatModel(floats), ranges, of)
    quantised = quantize(FloatModel(floats).with_constants(model.constants()), model.ranges, of)
    images = mnist_slice.x_test[:500]
    steps = np.abs(model.predict(images) - _answers(quantised, images)) / read_graph(quantised).outputs[0].scale
    assert (steps < 1.01).mean() > 0.99
    assert steps.max() < 4.01


def test_everything_that_is_trained_is_in_the_file(floats: bytes, mnist_slice: Dataset) -> None:
    """After a change of every trainable variable, the file still computes what its model computes."""
    ranges, of = ranges_on(floats, mnist_slice.x_train[:200]), weight_bits(floats, 8)
    model = FakeQuantModel(FloatModel(floats), ranges, of)
    for variable in model.model.trainable_variables:
        variable.assign_add(tf.fill(variable.shape, 0.05))
    quantised = quantize(FloatModel(floats).with_constants(model.constants()), model.ranges, of)
    images = mnist_slice.x_test[:100]
    steps = np.abs(model.predict(images) - _answers(quantised, images)) / read_graph(quantised).outputs[0].scale
    assert (steps < 1.01).mean() > 0.99


def test_averages_are_rounded_as_the_kernel_does(mnist_slice: Dataset) -> None:
    """Outputs of an average pooling are whole steps, as in the file."""
    keras.utils.set_random_seed(1)
    floats = to_flatbuffer(_averaging(), RECIPES["fp32"])
    model = FakeQuantModel(FloatModel(floats), ranges_on(floats, mnist_slice.x_train[:200]))
    file = FloatModel(floats)
    low, high = model.ranges[file.output]
    steps = model.predict(mnist_slice.x_test[:100]) / ((high - low) / 255)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


@pytest.mark.parametrize("bits", [4, 8])
def test_the_quantiser_finds_the_steps_that_were_trained(floats: bytes, mnist_slice: Dataset, bits: int) -> None:
    """Dequantised weights and biases of the file equal those of the model; scales of activations, too."""
    ranges, of = ranges_on(floats, mnist_slice.x_train[:200]), weight_bits(floats, bits)
    model = FakeQuantModel(FloatModel(floats), ranges, of)
    for place, layer in enumerate(model.weighted.values(), 1):  # as if trained: scales not of the largest weight, biases not alike
        _, *biases, log_scale = layer.trainable_variables
        for bias in biases:
            bias.assign_add(tf.fill(bias.shape, 0.01 * place))
        log_scale.assign_sub(tf.fill(log_scale.shape, 0.3))
    file = FloatModel(floats)
    constants = model.constants()
    quantised = quantize(file.with_constants(constants), model.ranges, of)
    stored = _stored(quantised)
    for number, values in constants.items():
        steps, scales, axis = stored[file.names[number]]
        step = np.broadcast_to(scales.reshape([-1 if place == axis else 1 for place in range(values.ndim)]), values.shape)
        # Weights are whole steps already; a bias is rounded to one.
        assert (np.abs(values - steps.reshape(values.shape) * step) <= (1e-3 if values.ndim > 1 else 0.51) * step).all()
    for number, (low, high) in model.ranges.items():
        assert stored[file.names[number]][1][0] == pytest.approx((high - low) / 255, rel=1e-5)


def _stored(flatbuffer: bytes) -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """Every quantised tensor of a file by its name: its integers (4-bit ones unpacked), its scales and their axis."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    found = {}
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        content = np.zeros(0, np.uint8) if data is None else np.asarray(data, np.uint8)
        if tensor.type == schema.TensorType.INT4:
            nibbles = np.stack([content & 15, content >> 4], axis=1).ravel()[: int(np.prod(tensor.shape))].astype(np.int8)
            steps = np.where(nibbles > 7, nibbles - 16, nibbles)
        else:
            steps = content.view({schema.TensorType.INT8: "<i1", schema.TensorType.INT32: "<i4"}[tensor.type])
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            found[tensor.name.decode()] = steps, np.asarray(tensor.quantization.scale), tensor.quantization.quantizedDimension
    return found


@given(st.floats(-50, 0), st.floats(0.01, 50), st.lists(st.floats(-80, 80), min_size=1, max_size=20))
@settings(deadline=None, max_examples=50)
def test_fake_quantisation_rounds_as_the_kernels_do(low: float, high: float, values: list[float]) -> None:
    """To the nearest of 256 values, which include 0; values out of range are clipped."""
    layer = FakeQuantization((low, high))
    found = np.asarray(layer(tf.constant(values, tf.float32)))
    least, most = layer.limits
    grid = np.linspace(least, most, 256)
    expected = grid[np.abs(grid[:, None] - np.clip(values, least, most)).argmin(axis=0)]
    step = (most - least) / 255
    np.testing.assert_allclose(found, expected, atol=step * 0.01 + 1e-6 if _clear(values, grid) else step * 1.01)
    assert np.abs(grid).min() < step * 1e-3
    assert (most - least) == pytest.approx(high - low, rel=1e-4)


def _clear(values: list[float], grid: np.ndarray) -> bool:
    """Whether no value is so close to the middle between two steps that float rounding may decide."""
    steps = np.abs((np.array(values) - grid[0]) / (grid[1] - grid[0]) % 1 - 0.5)
    return bool(steps.min() > 0.01)


def test_the_gradient_goes_straight_through() -> None:
    """1 within the range and 0 outside; the scale's is equation 3 of Esser et al. (arXiv 1902.08153)."""
    layer = FakeQuantization((0.0, 25.5))
    x = tf.constant([-1.0, 0.26, 3.0, 26.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = layer(x)
    np.testing.assert_allclose(tape.gradient(y, x), [0, 1, 1, 0])
    scale = 0.1
    expected = scale * ((round(2.6) - 2.6) + (30 - 30) + 255)  # by the logarithm of the scale: times the scale
    np.testing.assert_allclose(tape.gradient(y, layer.log_scale), expected, rtol=1e-4)


def test_an_unknown_operator_is_named(mnist_slice: Dataset) -> None:
    """ELU cannot be trained for integers."""
    model = build(TrainingConfig("mlp", hidden=(8,), activation="elu"))
    with pytest.raises(InputError, match="cannot train operator ELU"):
        FakeQuantModel(FloatModel(to_flatbuffer(model, RECIPES["fp32"], mnist_slice.x_train[:10])))


def test_constants_are_all_that_changes(cnn_files: dict[str, Path]) -> None:
    """A file written with its own constants is byte-identical."""
    flatbuffer = read_model_file(cnn_files["fp32"]).flatbuffer
    file = FloatModel(flatbuffer)
    numbers = [
        number for operation in file.operations for number in operation.constants if file.constant(number).dtype == np.float32
    ]
    again = file.with_constants({number: file.constant(number) for number in numbers})
    images = np.zeros((1, 28, 28), np.uint8)
    np.testing.assert_array_equal(_answers(again, images), _answers(flatbuffer, images))
