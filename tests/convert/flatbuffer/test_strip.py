"""Stripped files have the same outputs in fewer bytes, and other tools can still use them."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.tools import flatbuffer_utils

from convert.flatbuffer.strip import strip
from convert.quantization.activation_ranges import ranges_on
from convert.quantization.quantizer import quantize, weight_bits
from convert.quantization.recipes import RECIPES
from convert.source.source import load_source
from convert.source.tf_converter import to_flatbuffer
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.graph import read_graph
from edge_runtime.model.model_file import parse_model_file, read_model_file
from train.data import Dataset


def _outputs(flatbuffer: bytes, images: np.ndarray) -> np.ndarray:
    return Classifier(parse_model_file(flatbuffer, "x"), in_process=True).classify_batch(images).outputs


@pytest.mark.parametrize("recipe", ["fp32", pytest.param("fp16", marks=pytest.mark.slow), "int8"])
def test_a_file_is_smaller_than_tensorflows_and_says_the_same(recipe: str, trained_cnn: Path, mnist_slice: Dataset) -> None:
    """The FlatBuffer is smaller than TensorFlow's of the unsimplified model."""
    source = load_source(trained_cnn, mnist_slice)
    theirs = to_flatbuffer(source.model, RECIPES[recipe], mnist_slice.x_train[:100], simplify=False)
    simple = to_flatbuffer(source.model, RECIPES[recipe], mnist_slice.x_train[:100])
    ours = strip(simple)
    assert len(ours) < len(simple) <= len(theirs)
    assert np.array_equal(_outputs(ours, mnist_slice.x_test[:50]), _outputs(simple, mnist_slice.x_test[:50]))
    assert strip(ours) == ours
    assert read_graph(ours).payload_bytes == read_graph(simple).payload_bytes


def test_nothing_unused_is_left(cnn_files: dict[str, Path]) -> None:
    """For every recipe, each tensor is used and has a unique name, each buffer but the first is a tensor's, and there is no metadata."""
    for recipe, path in cnn_files.items():
        model = flatbuffer_utils.convert_bytearray_to_object(bytearray(read_model_file(path).flatbuffer))
        graph = model.subgraphs[0]
        used = {int(index) for operator in graph.operators for index in (*operator.inputs, *operator.outputs)} - {-1}
        assert used == set(range(len(graph.tensors))), recipe
        assert len({tensor.name for tensor in graph.tensors}) == len(graph.tensors), recipe
        assert {tensor.buffer for tensor in graph.tensors} | {0} == set(range(len(model.buffers))), recipe
        assert not model.metadata, recipe
        assert model.signatureDefs[0].inputs[0].tensorIndex == graph.inputs[0], recipe


def test_a_stripped_float_file_can_be_quantised_by_others(cnn_files: dict[str, Path], mnist_slice: Dataset) -> None:
    """Tools find tensors by name."""
    floats = read_model_file(cnn_files["fp32"]).flatbuffer
    quantised = quantize(floats, ranges_on(floats, mnist_slice.x_train[:100]), weight_bits(floats, 8))
    before, after = (_outputs(content, mnist_slice.x_test).argmax(axis=1) for content in (floats, quantised))
    assert int(np.sum(before == after)) >= 990
