"""Read float TFLite files and write them with other constants."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

from edge_runtime.model.builtin_operators import OPERATOR_NAMES

Array = NDArray[Any]
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")  # operators with weights and an optional bias


@dataclass(frozen=True)
class Operation:
    """An operator of the file: its kind, and tensor numbers of its computed inputs, its constants and its output."""

    kind: str
    inputs: tuple[int, ...]
    constants: tuple[int, ...]
    output: int
    options: Any


class FloatModel:
    """The first subgraph of a float TFLite model, whose constants can be replaced by others of the same shape.

    The converter stores equal weights and biases once; here each operator has its own.
    """

    def __init__(self, flatbuffer: bytes) -> None:
        self._model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
        self._graph = self._model.subgraphs[0]
        self._unshare()
        self.names = [tensor.name.decode() for tensor in self._graph.tensors]
        self.input, self.output = int(self._graph.inputs[0]), int(self._graph.outputs[0])

    @cached_property
    def operations(self) -> list[Operation]:
        """In the order of execution."""
        operations = []
        for operator in self._graph.operators:
            used = [int(index) for index in operator.inputs if index >= 0]
            operations.append(
                Operation(
                    self._kind(operator),
                    tuple(index for index in used if not self._is_constant(index)),
                    tuple(index for index in used if self._is_constant(index)),
                    int(operator.outputs[0]),
                    operator.builtinOptions,
                )
            )
        return operations

    def describe(self, output: int) -> str:
        """The operator that computes a tensor, such as "3 CONV_2D": its place in the order of execution, and its kind."""
        for place, operation in enumerate(self.operations, 1):
            if operation.output == output:
                return f"{place} {operation.kind}"
        raise KeyError(output)

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape of a tensor, with a batch of 1."""
        return tuple(int(length) for length in self._graph.tensors[index].shape)

    def constant(self, index: int) -> Array:
        """The content of a constant tensor: float32, float16 or int32."""
        kinds = schema.TensorType
        dtype = {kinds.FLOAT32: "<f4", kinds.FLOAT16: "<f2", kinds.INT32: "<i4"}[self._graph.tensors[index].type]
        return np.frombuffer(self._content(index), dtype).reshape(self.shape(index))

    def with_constants(self, constants: Mapping[int, Array]) -> bytes:
        """Write the file with other values in some of its constants."""
        for index, values in constants.items():
            buffer = self._model.buffers[self._graph.tensors[index].buffer]
            buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self._model))

    def _unshare(self) -> None:
        taken: set[int] = set()  # buffers
        for operator in self._graph.operators:
            if self._kind(operator) not in WEIGHTED:
                continue
            inputs = [int(index) for index in operator.inputs]
            for place, index in enumerate(inputs):
                if index >= 0 and self._is_constant(index):
                    if self._graph.tensors[index].buffer in taken:
                        inputs[place] = self._copied(index)
                    taken.add(self._graph.tensors[inputs[place]].buffer)
            operator.inputs = inputs

    def _copied(self, index: int) -> int:
        """The number of a new tensor that is a copy of another."""
        tensor = copy.copy(self._graph.tensors[index])
        tensor.name += f"_{len(self._graph.tensors)}".encode()
        self._model.buffers.append(copy.copy(self._model.buffers[tensor.buffer]))
        tensor.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _kind(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        return OPERATOR_NAMES[int(max(code.builtinCode, code.deprecatedBuiltinCode))]

    def _is_constant(self, index: int) -> bool:
        return self._content(index).size > 0

    def _content(self, index: int) -> NDArray[np.uint8]:
        data = self._model.buffers[self._graph.tensors[index].buffer].data
        return np.zeros(0, np.uint8) if data is None else np.asarray(data, np.uint8)
