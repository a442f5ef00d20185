"""A float32 .tflite as plain arrays, for packages that cannot read it: `layers`, JSON, and the arrays that it names.

Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs. Field numbers below are positions in its tables.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError
from edge_runtime.flatbuffer import Table
from edge_runtime.graph import Graph, read_graph

_MOST = 100_000
_PADDING = ("SAME", "VALID")
_RELU = {0: False, 1: True}
# Of the options of a convolution: stride_w, stride_h, activation, dilation_w, dilation_h; one field more lies in a depthwise one.
_CONVOLUTIONS = {"CONV_2D": (1, 2, 3, 4, 5), "DEPTHWISE_CONV_2D": (1, 2, 4, 5, 6)}


def write_network(flatbuffer: bytes, path: Path) -> None:
    """Write a chain of convolutions, poolings and dense layers to an .npz.

    Raises:
        InputError: it is no float32 model, no chain, or has an operator that is not known here.
    """
    graph = read_graph(flatbuffer)
    if graph.inputs[0].dtype != "float32" or graph.outputs[0].dtype != "float32":
        raise InputError("only float32 models can be handed to other packages; this one is quantised")
    reader = _Reader(flatbuffer, graph)
    layers = [reader.layer(number, operator.name) for number, operator in enumerate(graph.operators)]
    np.savez(path, layers=np.array(json.dumps(layers)), **reader.arrays)  # type: ignore[arg-type]


class _Reader:
    def __init__(self, flatbuffer: bytes, graph: Graph) -> None:
        root = Table.root(flatbuffer)
        self._graph = graph
        self._operators = list(next(root.tables(2, at_most=_MOST)).tables(3, _MOST))
        self._buffers = list(root.tables(4, at_most=_MOST))
        self.arrays: dict[str, NDArray[np.float32]] = {}
        self._last: int | None = None

    def layer(self, number: int, name: str) -> dict[str, Any]:
        """One operator, with the names of its arrays."""
        table = self._operators[number]
        inputs = [int(index) for index in table.vector(1, "<i4") if index >= 0]
        if self._last is not None and inputs[0] != self._last:
            raise InputError("the network is no chain of layers")
        self._last = int(table.vector(2, "<i4")[0])
        options = table.table(4)
        if name in _CONVOLUTIONS and options is not None:
            width, height, activation, dilation_w, dilation_h = _CONVOLUTIONS[name]
            return {
                "kind": "convolution" if name == "CONV_2D" else "depthwise",
                "weights": self._weights(number, inputs[1:]),
                "padding": _PADDING[options.integer(0, "<b")],
                "strides": [options.integer(height, "<i"), options.integer(width, "<i")],
                "dilations": [options.integer(dilation_h, "<i", 1), options.integer(dilation_w, "<i", 1)],
                "relu": _relu(options.integer(activation, "<b")),
            }
        if name == "FULLY_CONNECTED" and options is not None:
            return {"kind": "dense", "weights": self._weights(number, inputs[1:]), "relu": _relu(options.integer(0, "<b"))}
        if name == "MAX_POOL_2D" and options is not None:
            return {
                "kind": "maximum",
                "padding": _PADDING[options.integer(0, "<b")],
                "strides": [options.integer(2, "<i"), options.integer(1, "<i")],
                "size": [options.integer(4, "<i"), options.integer(3, "<i")],
                "relu": _relu(options.integer(5, "<b")),
            }
        if name == "MEAN":
            return {"kind": "mean"}
        if name == "RESHAPE":
            return {"kind": "flatten"}
        raise InputError(f"the operator {name} is not known here")

    def _weights(self, number: int, inputs: list[int]) -> list[str]:
        names = []
        for part, index in zip(("weights", "bias"), inputs, strict=False):
            tensor = self._graph.tensors[index]
            values = self._buffers[tensor.buffer].vector(0, "<u1").tobytes()
            if tensor.dtype != "float32" or not values:
                raise InputError(f"{part} of operator {number} are no float32 constants")
            names.append(f"{part}{number}")
            self.arrays[names[-1]] = np.frombuffer(values, "<f4").reshape(tensor.shape)
        return names


def _relu(activation: int) -> bool:
    if activation not in _RELU:
        raise InputError(f"the fused activation {activation} is not known here")
    return _RELU[activation]
