"""A float32 .tflite as plain arrays, for packages that cannot read it: `layers` in JSON, and the arrays that they name.

A first convolution with several columns folded into channels, as `digits convert` makes it for TFLite's kernels, is unfolded: other
packages gain nothing from folding, and would pay for the reshaping.

Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs. Field numbers below are positions in its tables.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import InputError
from edge_runtime.model.flatbuffer import Table
from edge_runtime.model.graph import Graph, read_graph

_MAX_ENTRIES = 100_000
_PADDING = ("SAME", "VALID")
_RELU = {0: False, 1: True}
# Field numbers in the options of a convolution: stride_w, stride_h, activation, dilation_w, dilation_h.
_CONVOLUTIONS = {"CONV_2D": (1, 2, 3, 4, 5), "DEPTHWISE_CONV_2D": (1, 2, 4, 5, 6)}


def write_network(flatbuffer: bytes, path: Path) -> None:
    """Write a chain of convolutions, poolings and dense layers to an .npz.

    Raises:
        InputError: it is no float32 model, no chain of layers, or has an unknown operator.
    """
    graph = read_graph(flatbuffer)
    if graph.inputs[0].dtype != "float32" or graph.outputs[0].dtype != "float32":
        raise InputError("other packages run float32 models only; this one is quantised")
    reader = _Reader(flatbuffer, graph)
    layers = [reader.layer(number, operator.name) for number, operator in enumerate(graph.operators)]
    layers = _unfolded(layers, reader.arrays, graph.inputs[0].shape)
    np.savez(path, layers=np.array(json.dumps(layers)), **reader.arrays)  # type: ignore[arg-type]


class _Reader:
    def __init__(self, flatbuffer: bytes, graph: Graph) -> None:
        root = Table.root(flatbuffer)
        self._graph = graph
        self._operators = list(next(root.tables(2, at_most=_MAX_ENTRIES)).tables(3, _MAX_ENTRIES))
        self._buffers = list(root.tables(4, at_most=_MAX_ENTRIES))
        self.arrays: dict[str, NDArray[np.float32]] = {}
        self._last: int | None = None

    def layer(self, number: int, name: str) -> dict[str, Any]:
        """One operator, with the names of its arrays."""
        table = self._operators[number]
        inputs = [int(index) for index in table.vector(1, "<i4") if index >= 0]
        if self._last is not None and inputs[0] != self._last:
            raise InputError("the network is not a chain of layers, which other packages need")
        self._last = int(table.vector(2, "<i4")[0])
        shape = self._graph.tensors[self._last].shape
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
            return {"kind": "flatten"} if len(shape) == 2 else {"kind": "reshape", "shape": shape[1:]}
        raise InputError(f"operator {name} is not supported")

    def _weights(self, number: int, inputs: list[int]) -> list[str]:
        names = []
        for part, index in zip(("weights", "bias"), inputs, strict=False):
            tensor = self._graph.tensors[index]
            values = self._buffers[tensor.buffer].vector(0, "<u1").tobytes()
            if tensor.dtype != "float32" or not values:
                raise InputError(f"{part} of operator {number}: not constant, or not float32")
            names.append(f"{part}{number}")
            self.arrays[names[-1]] = np.frombuffer(values, "<f4").reshape(tensor.shape)
        return names


def _relu(activation: int) -> bool:
    if activation not in _RELU:
        raise InputError(f"fused activation {activation} is not supported")
    return _RELU[activation]


def _unfolded(layers: list[dict[str, Any]], arrays: dict[str, NDArray[np.float32]], image: tuple[int, ...]) -> list[dict[str, Any]]:
    """The layers with the first convolution unfolded, if it was folded.

    Raises:
        InputError: there is another RESHAPE that does not flatten.
    """
    if (
        [layer["kind"] for layer in layers[:3]] == ["reshape", "convolution", "reshape"]
        and image[3:] == (1,)
        and len(layers[2]["shape"]) == 3
    ):
        convolution, (*_, places, features) = layers[1], layers[2]["shape"]
        weights, *bias = convolution["weights"]
        filters, rest = divmod(len(arrays[weights]), features)
        stride = arrays[weights].shape[3] // max(filters, 1)
        kernel = (
            None if rest or not stride else _kernel(arrays[weights], convolution["padding"], features, image[2], places, stride)
        )
        if kernel is not None:
            arrays[weights] = kernel
            arrays.update({name: arrays[name][:features] for name in bias})
            layers = [{**convolution, "strides": [convolution["strides"][0], stride]}, *layers[3:]]
    if any(layer["kind"] == "reshape" for layer in layers):
        raise InputError("a RESHAPE that does not flatten is not supported")
    return layers


def _kernel(
    folded: NDArray[np.float32], padding: str, features: int, width: int, places: int, stride: int
) -> NDArray[np.float32] | None:
    """The narrowest filters, [features, height, width, 1], that give the folded ones; None if there are none.

    They are the filters of the first output column of a group, without the zeros beside them.
    """
    _, height, groups, columns = folded.shape
    first = folded[:features].reshape(features, height, groups * columns)
    for length in range(1, first.shape[2] + 1):
        missing = max(stride * (places - 1) + length - width, 0) // 2 if padding == "SAME" else 0
        start = -missing % columns
        kernel = first[:, :, start : start + length]
        outputs = -(-width // stride) if padding == "SAME" else (width - length) // stride + 1
        if outputs == places and np.array_equal(_placed(kernel, start, stride, folded.shape), folded):
            return np.ascontiguousarray(kernel[..., None])
    return None


def _placed(kernel: NDArray[np.float32], start: int, stride: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Folded filters: a copy for each output column of a group, shifted by the stride."""
    features, height, length = kernel.shape
    filters, columns = shape[0] // features, shape[2] * shape[3]
    placed = np.zeros((filters, features, height, columns + start + filters * stride + length), np.float32)
    for place in range(filters):
        first = start + place * stride
        placed[place, :, :, first : first + length] = kernel
    return placed[..., :columns].reshape(shape)
