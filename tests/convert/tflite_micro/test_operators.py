"""Which operators TFLite Micro has."""

import importlib.util
from pathlib import Path

import pytest

from convert.tflite_micro.operators import RESOLVER, missing_operators, resolver_functions
from edge_runtime.errors import ModelFileError
from edge_runtime.model.graph import Graph, Operator
from edge_runtime.model.model_file import read_model_file


def _graph(*operators: Operator) -> Graph:
    return Graph((), (), operators, (), (), ())


@pytest.mark.usefixtures("tflite_micro")
def test_the_package_has_each_operator_of_the_list() -> None:
    """By the names of the functions in its library that register operators."""
    found = importlib.util.find_spec("tflite_micro")
    assert found
    assert found.origin
    library = (Path(found.origin).parent / "python" / "tflite_micro" / "_runtime.so").read_bytes()
    # The names are C++ symbols, in which an E ends a name of a namespace.
    assert [name for name in RESOLVER if f"Register_{name}E".encode() not in library] == []


def test_functions_are_those_of_the_operators_each_once() -> None:
    """With the capitals of TFLite Micro."""
    functions = resolver_functions(read_model_file(Path("small")).graph)
    assert functions == ("AddConv2D", "AddFullyConnected", "AddMean", "AddReshape")
    assert RESOLVER["DEPTHWISE_CONV_2D"] == "AddDepthwiseConv2D"
    assert RESOLVER["BATCH_TO_SPACE_ND"] == "AddBatchToSpaceNd"


def test_other_operators_are_named() -> None:
    """A custom operator that has a built-in one's name is another one; its name stays one line."""
    graph = _graph(
        Operator("CONV_2D", 1, False), Operator("RNN", 1, False), Operator("RESHAPE", 1, True), Operator("a\nb", 1, True)
    )
    assert missing_operators(graph) == ["RESHAPE", "RNN", "a\\nb"]
    with pytest.raises(ModelFileError, match=r"has RESHAPE, RNN, .*, which TFLite Micro has not"):
        resolver_functions(graph)
