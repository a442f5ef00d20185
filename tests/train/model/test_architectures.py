"""The Keras models: pixel values in, normalisation inside, logits out."""

import random

import numpy as np
import pytest

from convert.quantization.recipes import find_recipe
from convert.source.tf_converter import to_flatbuffer
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import parse_model_file
from train.backend import keras
from train.config.training_config import ACTIVATIONS, TrainingConfig, parse_convolutions
from train.data import Dataset
from train.model.architectures import build, build_atrous, model_input, predict_logits

MLP = TrainingConfig("mlp", (20, 10), "tanh")
CNN_BLOCK = ["Conv2D", "BatchNormalization", "ReLU"]


def _layers(model: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize(
    ("config", "stack", "parameters"),
    [
        (TrainingConfig("linear"), ["Dense"], 784 * 10 + 10),
        (TrainingConfig("mlp", ()), ["Dense"], 784 * 10 + 10),
        (MLP, ["Dense"] * 3, 784 * 20 + 20 + 20 * 10 + 10 + 10 * 10 + 10),
        (TrainingConfig("mlp"), ["Dense"] * 3, 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10),
    ],
)
def test_dense_models_take_784_numbers(config: TrainingConfig, stack: list[str], parameters: int) -> None:
    """Rescaling first, then dense layers, with the expected number of parameters."""
    model = build(config)
    assert _layers(model) == ["InputLayer", "Rescaling", *stack]
    assert (model.input_shape, model.output_shape, model.count_params()) == ((None, 784), (None, 10), parameters)


def test_the_linear_model_has_no_hidden_layer_whatever_the_config_says() -> None:
    """`hidden` and `activation` apply to mlp only."""
    assert _layers(build(TrainingConfig("linear", (50,), "tanh"))) == ["InputLayer", "Rescaling", "Dense"]


def test_the_cnn_has_four_convolutions_with_batch_normalisation() -> None:
    """Only normalisation has biases; each channel has two trained and two moving values."""
    model = build(TrainingConfig("cnn"))
    channels, kernels = (16, 24, 48, 48), (25 * 1, 9 * 16, 9 * 24, 9 * 48)
    convolutions = sum(kernel * count for kernel, count in zip(kernels, channels, strict=True))
    assert _layers(model) == ["InputLayer", "Rescaling", *CNN_BLOCK * 4, "GlobalAveragePooling2D", "Dense"]
    assert (model.input_shape, model.output_shape) == ((None, 28, 28, 1), (None, 10))
    assert model.count_params() == convolutions + 4 * sum(channels) + 48 * 10 + 10


@pytest.mark.parametrize("text", ["6k5s2v,dk3,8k3s3,9k1v", "dk28v", "4k3s8,dk2s2v"])
def test_convolutions_are_the_ones_that_are_written(text: str) -> None:
    """Kernels, channels and sides of the feature maps as expected; d has one kernel per channel."""
    config = TrainingConfig("cnn", convolutions=parse_convolutions(text))
    model = build(config)
    found = [layer for layer in model.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D))]
    side, channels = 28, 1
    for layer, convolution in zip(found, config.convolutions, strict=True):
        kernel = (convolution.kernel, convolution.kernel, channels, convolution.filters or 1)
        side, channels = convolution.side(side), convolution.filters or channels
        assert layer.kernel.shape == kernel
        assert layer.output.shape == (None, side, side, channels)
        assert not layer.use_bias


def test_a_cnn_may_have_no_convolution() -> None:
    """Then only the mean grey level matters."""
    assert build(TrainingConfig("cnn", convolutions=())).count_params() == 1 * 10 + 10


def test_the_tutorial_model_is_the_published_network() -> None:
    """12 filters of 3x3 with ReLU, pooling by 2, one dense layer: 20,410 parameters, for 28x28 inputs."""
    model = build(TrainingConfig("tutorial"))
    stack = ["InputLayer", "Rescaling", "Reshape", "Conv2D", "MaxPooling2D", "Flatten", "Dense"]
    assert (_layers(model), model.input_shape) == (stack, (None, 28, 28))
    assert model.count_params() == 12 * 9 + 12 + 13 * 13 * 12 * 10 + 10 == 20_410
    assert model.layers[3].activation is keras.activations.relu


def test_the_tutorial_model_can_be_quantised(invented: Dataset) -> None:
    """Its int8 file gives the predictions of the Keras model."""
    model = build(TrainingConfig("tutorial"))
    flatbuffer = to_flatbuffer(model, find_recipe("int8"), invented.train.images[:100])
    found = Classifier(parse_model_file(flatbuffer), in_process=True).classify_batch(invented.x_test)
    assert np.mean(found.indices == predict_logits(model, invented.x_test).argmax(axis=1)) > 0.95


@pytest.mark.parametrize("name", ["linear", "mlp", "cnn", "tutorial"])
def test_every_model_ends_in_logits_and_begins_with_the_scale(name: str) -> None:
    """No softmax; pixels are divided by 255 once, in the model; one output per class."""
    model = build(TrainingConfig(name), classes=7)
    assert (model.layers[1].scale, model.layers[1].offset) == (pytest.approx(1 / 255), 0)
    assert model.layers[-1].activation is keras.activations.linear
    assert model.output_shape == (None, 7)
    assert not [layer for layer in model.layers if getattr(layer, "activation", None) is keras.activations.softmax]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_the_one_of_that_name(activation: str) -> None:
    """All hidden layers have it, the last layer has none."""
    found = [layer.activation for layer in build(TrainingConfig("mlp", (3, 2), activation)).layers[2:]]
    assert found == [keras.activations.get(activation)] * 2 + [keras.activations.linear]


def test_the_linear_model_computes_what_its_formula_says(mnist: Dataset) -> None:
    """Logits are pixels / 255 times weights plus bias."""
    model = build(TrainingConfig("linear"))
    weights, bias = model.get_weights()
    images = mnist.x_test[:20]
    expected = images.reshape(20, 784) / 255 @ weights + bias
    np.testing.assert_allclose(predict_logits(model, images), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(784,), (28, 28), (28, 28, 1)])
def test_images_are_given_in_the_models_shape_with_their_values_as_they_are(mnist: Dataset, shape: tuple[int, ...]) -> None:
    """float32 from 0 to 255, in the same order."""
    images = mnist.x_test[:3]
    found = model_input(images, (None, *shape))
    assert (found.dtype, found.shape) == (np.float32, (3, *shape))
    np.testing.assert_array_equal(found.ravel(), images.ravel())


@pytest.mark.parametrize(
    "config", [TrainingConfig("cnn", seed=5), TrainingConfig("mlp", (4, 4), seed=5), TrainingConfig("tutorial", seed=5)]
)
def test_weights_are_of_the_seed_alone(config: TrainingConfig) -> None:
    """Independent of Python's and numpy's global generators; no two layers start with equal weights."""
    built = []
    for disturbance in (1, 2):
        random.seed(disturbance)
        np.random.seed(disturbance)  # noqa: NPY002  # the one that Keras draws from
        built.append([weights for weights in build(config).get_weights() if weights.ndim > 1])
    assert [weights.tobytes() for weights in built[0]] == [weights.tobytes() for weights in built[1]]
    assert len({weights.flat[0] for weights in built[0]}) == len(built[0])


def _before_the_average(model: keras.Model) -> keras.Model:
    (average,) = (layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    return keras.Model(model.input, average.input)


@pytest.mark.parametrize("text", ["4k5s2v,6k3v,5k3v", "4k3,4k3v,6k5s2v,dk3v,5k3s3v,4k2v", "4k3s2v,4k3s2v,4k3v"])
def test_atrous_computes_the_same_at_every_place_of_the_trained_network(text: str, invented: Dataset) -> None:
    """At the positions of the strides; the weights are the same, and odd sizes lose nothing."""
    config = TrainingConfig("cnn", convolutions=parse_convolutions(text), atrous=True)
    trained = build(config)
    generator = np.random.RandomState(3)
    trained.set_weights([generator.uniform(0.2, 1, weights.shape) - 0.4 * (weights.ndim > 1) for weights in trained.get_weights()])
    dense = build_atrous(config, 10, trained)
    for ours, theirs in zip(dense.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    images = model_input(invented.x_test[:5], trained.input_shape)
    expected, found = (np.asarray(_before_the_average(model)(images)) for model in (trained, dense))
    step = int(np.prod([layer.stride for layer in config.convolutions]))
    assert found.shape[1] > (expected.shape[1] - 1) * step
    np.testing.assert_allclose(
        found[:, ::step, ::step][:, : expected.shape[1], : expected.shape[2]], expected, rtol=2e-4, atol=1e-4
    )
    assert np.ptp(expected) > 0.1


@pytest.mark.slow
def test_atrous_becomes_plain_convolutions_on_the_device(invented: Dataset) -> None:
    """Dilation is part of the operator, without space-to-batch operators; batch normalisation is folded."""
    config = TrainingConfig("cnn", convolutions=parse_convolutions("4k5s2v,6k3v,5k3v"), atrous=True)
    model = build_atrous(config, 10, build(config))
    file = parse_model_file(to_flatbuffer(model, find_recipe("int8"), invented.x_train[:20]))
    assert [(operator.name, count) for operator, count in file.graph.operator_counts] == [
        ("CONV_2D", 3),
        ("MEAN", 1),
        ("FULLY_CONNECTED", 1),
    ]
    float_file = parse_model_file(to_flatbuffer(model, find_recipe("fp32"), invented.x_train[:20]))
    logits = Classifier(float_file, in_process=True).classify_batch(invented.x_test[:50]).logits
    np.testing.assert_allclose(logits, predict_logits(model, invented.x_test[:50]), rtol=1e-3, atol=1e-4)
