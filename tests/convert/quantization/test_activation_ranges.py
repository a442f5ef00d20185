"""Activations computed in float64 equal LiteRT's, and ranges do not depend on which of them computes."""

from collections.abc import Callable

import numpy as np
import pytest

from convert.flatbuffer.float_model import FloatModel
from convert.quantization.activation_ranges import activations, exact_activations, exact_logits, ranges_on
from convert.quantization.float_operators import PLAIN
from convert.quantization.recipes import RECIPES
from convert.source.tf_converter import to_flatbuffer
from edge_runtime.model.graph import read_graph
from train.backend import keras, layers
from train.data import Dataset

ACTIVATIONS: dict[str, Callable[[], layers.Layer]] = {
    "RELU": lambda: keras.Sequential([layers.GlobalAveragePooling2D(), layers.ReLU()]),  # which a convolution would take in
    "RELU6": lambda: keras.Sequential([layers.GlobalAveragePooling2D(), layers.ReLU(6)]),
    "LEAKY_RELU": layers.LeakyReLU,
    "PRELU": lambda: layers.PReLU(alpha_initializer="random_normal", shared_axes=[1, 2]),
    "ELU": layers.ELU,
    "HARD_SWISH": lambda: layers.Activation("hard_swish"),
    "GELU": lambda: layers.Activation("gelu"),
    "TANH": lambda: layers.Activation("tanh"),
    "LOGISTIC": lambda: layers.Activation("sigmoid"),
    "SOFTMAX": layers.Softmax,
}


def _network(activation: Callable[[], layers.Layer]) -> keras.Model:
    keras.utils.set_random_seed(2)
    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(4, 5, strides=4)(layers.Rescaling(1 / 64)(inputs))
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(activation()(x))))


def _compare(flatbuffer: bytes, images: np.ndarray) -> bool:
    """Compare all float64 activations of a file with LiteRT's; return whether it has any."""
    exact = exact_activations(flatbuffer, images)
    if exact is None:
        return False
    for ours, theirs in zip(exact, activations(flatbuffer, images), strict=True):
        for number in ours.keys() & theirs.keys():
            assert ours[number].shape == theirs[number].shape
            np.testing.assert_allclose(ours[number], theirs[number], rtol=1e-4, atol=1e-4 * max(1, np.abs(ours[number]).max()))
    return True


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("recipe", ["fp32", pytest.param("fp16", marks=pytest.mark.slow)])
def test_activations_are_those_of_litert(kind: str, recipe: str, mnist_slice: Dataset) -> None:
    """For each operator that a digit classifier may have, with float16 weights, too."""
    flatbuffer = to_flatbuffer(_network(ACTIVATIONS[kind]), RECIPES[recipe])
    assert kind in {operator.name for operator in read_graph(flatbuffer).operators}
    assert _compare(flatbuffer, mnist_slice.x_test[:20])


@pytest.mark.slow
def test_every_operator_is_computed_as_litert_computes_it(mnist_slice: Dataset) -> None:
    """In most sample networks of the operator table, which together have each operator that is not fused."""
    from tools.release.operators.zoo import models

    files = {name: to_flatbuffer(model, RECIPES["fp32"]) for name, model in models()}
    computed = {name: flatbuffer for name, flatbuffer in files.items() if _compare(flatbuffer, mnist_slice.x_test[:20])}
    kinds = {operation.kind for flatbuffer in computed.values() for operation in FloatModel(flatbuffer).operations}
    assert len(computed) > len(files) / 2
    assert set(PLAIN) - {"RELU", "RELU6"} <= kinds


def test_logits_of_many_images_come_in_their_order(mnist_slice: Dataset) -> None:
    """230 images in batches of 100 have the logits of each image alone."""
    flatbuffer, images = to_flatbuffer(_network(layers.ReLU), RECIPES["fp32"]), mnist_slice.x_test[:230]
    logits = exact_logits(flatbuffer, images)
    assert logits is not None
    assert (logits.dtype, logits.shape) == (np.float32, (230, 10))
    np.testing.assert_array_equal(logits[[7, 229]], np.concatenate([exact_logits(flatbuffer, images[[n]]) for n in (7, 229)]))


@pytest.mark.parametrize("method", ["min-max", "moving-average"])
def test_ranges_do_not_need_float64(method: str, mnist_slice: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges by LiteRT's kernels, of a file with an operator that float64 lacks, differ by float rounding."""
    flatbuffer, images = to_flatbuffer(_network(layers.ELU), RECIPES["fp32"]), mnist_slice.x_train[:150]
    expected = ranges_on(flatbuffer, images, method)
    monkeypatch.delitem(PLAIN, "ELU")  # of which LiteRT has no reference kernel either
    found = ranges_on(flatbuffer, images, method)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[n] for n in expected], list(expected.values()), rtol=1e-4, atol=1e-5)


def test_ranges_are_float32_numbers(mnist_slice: Dataset) -> None:
    """Rounding to float32 removes differences of float64 sums between CPUs."""
    ranges = ranges_on(to_flatbuffer(_network(layers.ReLU), RECIPES["fp32"]), mnist_slice.x_train[:50])
    assert all(float(np.float32(end)) == end for limits in ranges.values() for end in limits)
