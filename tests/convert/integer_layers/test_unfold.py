"""Folding columns into channels is undone exactly."""

import numpy as np
import pytest

from convert.flatbuffer.space_to_depth import to_space_to_depth
from convert.integer_layers.layers import Layer
from convert.integer_layers.lowering import make_layers
from convert.integer_layers.operators import read_operators
from edge_runtime.model.graph import read_graph
from tests.convert.c_code.graphs import SAME, VALID, GraphBuilder


def _first(flatbuffer: bytes) -> Layer:
    return make_layers(read_operators(flatbuffer))[0]


@pytest.mark.parametrize("columns", [2, 4])
@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize(("kernel", "stride"), [(5, 1), (5, 2), (3, 1), (4, 2), (1, 1)])
def test_the_convolution_is_what_it_was_before(columns: int, padding: int, kernel: int, stride: int) -> None:
    """Same sizes, weights, biases and rescalings; columns of zero weights may be left out."""
    plain = GraphBuilder(1).convolution(6, (kernel, kernel), (stride, stride), padding=padding).mean().dense(10).finish()
    folded = to_space_to_depth(plain, columns)
    before, after = _first(plain), _first(folded)
    if [operator.name for operator in read_graph(folded).operators].count("RESHAPE") != 2:
        pytest.skip("such a convolution is not folded")
    assert after.window == before.window
    assert np.array_equal(after.weights, before.weights)
    assert np.array_equal(after.biases, before.biases)
    assert after.rescalings == before.rescalings


def test_weights_that_are_no_shifted_copies_stay() -> None:
    """A convolution between two changes of shape that was never folded is computed as it is."""
    graph = GraphBuilder(2).reshape(28, 7, 4).convolution(16, (5, 2), (2, 1)).reshape(12, 12, 8).mean().dense(10)
    layer = _first(graph.finish())
    assert layer.window.source == (28, 7, 4)
    assert layer.weights.shape == (16, 5, 2, 4)
