"""Read the operators, tensors and sizes of a TFLite FlatBuffer without an interpreter.

Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs. Slot numbers below are positions in its tables.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import ModelFileError
from edge_runtime.model.builtin_operators import OPERATOR_NAMES
from edge_runtime.model.flatbuffer import DamagedFlatBuffer, Table

FILE_IDENTIFIER = b"TFL3"

_TENSOR_TYPES = [
    "float32",
    "float16",
    "int32",
    "uint8",
    "int64",
    "string",
    "bool",
    "int16",
    "complex64",
    "int8",
    "float64",
    "complex128",
    "uint64",
    "resource",
    "variant",
    "uint32",
    "uint16",
    "int4",
]
Item = TypeVar("Item")

_MAX_ENTRIES = 10_000
_MAX_DIMENSIONS = 8
_MAX_COPIED = 16 * 2**20
"""Bytes of names and lists of tensors; those of 10,000 tensors and operators usually take two million."""
_OMITTED = -1  # an optional input that is not given, such as a bias


@frozen_dataclass
class Tensor:
    """One tensor of a graph.

    scales: the number of scales: 0 = not quantised, 1 = per tensor, more = per channel. scale, zero_point: the first of them.
    payload_bytes: size of its constant buffer; 0 for an activation.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: int
    scale: float
    zero_point: int
    buffer: int
    payload_bytes: int


@frozen_dataclass
class Operator:
    """One operator of a graph. name: of the schema; a custom operator's (Flex included) own."""

    name: str
    version: int
    custom: bool


@frozen_dataclass
class Graph:
    """The first subgraph of a TFLite model, in the order of execution.

    input_dtypes, output_dtypes: for each operator, the dtypes of its input and output tensors.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    input_dtypes: tuple[tuple[str, ...], ...]
    output_dtypes: tuple[tuple[str, ...], ...]

    @property
    def payload_bytes(self) -> int:
        """Bytes of the constant buffers that tensors use, as stored: weights at their bit width, and biases."""
        return sum({tensor.buffer: tensor.payload_bytes for tensor in self.tensors}.values())

    @property
    def scale_bytes(self) -> int:
        """Bytes of quantisation parameters: a float32 scale and an int64 zero point for each."""
        return sum(tensor.scales for tensor in self.tensors) * 12

    @property
    def operator_counts(self) -> list[tuple[Operator, int]]:
        """The distinct operators with their counts, in the order of first use."""
        return list(Counter(self.operators).items())


def read_graph(flatbuffer: bytes) -> Graph:
    """Read the graph of a TFLite FlatBuffer, checking every offset.

    Raises:
        ModelFileError: it is damaged, or not a TFLite model.
    """
    if flatbuffer[4:8] != FILE_IDENTIFIER:
        raise ModelFileError("is not a TFLite model (its bytes 4 to 8 are not 'TFL3')")
    try:
        return _read_model(Table.root(flatbuffer))
    except DamagedFlatBuffer as error:
        raise ModelFileError(f"damaged or truncated TFLite model ({error})") from error


class _Copies:
    """Copies names and lists out of a file, up to `_MAX_COPIED` bytes.

    Any number of tables may point to one name or list, so a file of some hundred kilobytes could fill the memory.
    """

    def __init__(self) -> None:
        self._left = _MAX_COPIED

    def text(self, table: Table, slot: int) -> str:
        self._take(len(table.vector(slot, np.uint8)))
        return table.text(slot)

    def indices(self, table: Table, slot: int) -> list[int]:
        found = table.vector(slot, "<i4")
        self._take(found.nbytes)
        numbers: list[int] = found.tolist()
        return numbers

    def _take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise DamagedFlatBuffer(
                f"names and lists of tensors of more than {_MAX_COPIED:,} bytes, counted as often as they are used"
            )


def _read_model(model: Table) -> Graph:
    copies = _Copies()
    codes = [_operator(code, copies) for code in model.tables(1, _MAX_ENTRIES)]
    sizes = [_buffer_bytes(buffer) for buffer in model.tables(4, _MAX_ENTRIES)]
    subgraphs = list(model.tables(2, _MAX_ENTRIES))
    if not subgraphs:
        raise DamagedFlatBuffer("it has no graph")
    graph = subgraphs[0]
    tensors = [_tensor(tensor, sizes, copies) for tensor in graph.tables(0, _MAX_ENTRIES)]
    operators = list(graph.tables(3, _MAX_ENTRIES))
    return Graph(
        inputs=_pick(tensors, copies.indices(graph, 1)),
        outputs=_pick(tensors, copies.indices(graph, 2)),
        operators=_pick(codes, [operator.integer(0, "<I") for operator in operators]),
        tensors=tuple(tensors),
        input_dtypes=tuple(_dtypes(copies.indices(operator, 1), tensors) for operator in operators),
        output_dtypes=tuple(_dtypes(copies.indices(operator, 2), tensors) for operator in operators),
    )


def _dtypes(indices: Sequence[int], tensors: Sequence[Tensor]) -> tuple[str, ...]:
    used = [index for index in indices if index != _OMITTED]
    return tuple(tensor.dtype for tensor in _pick(tensors, used))


def _pick(items: Sequence[Item], indices: Sequence[int]) -> tuple[Item, ...]:
    for index in indices:
        if not 0 <= index < len(items):
            raise DamagedFlatBuffer(f"entry {index} of a list of {len(items)}")
    return tuple(items[index] for index in indices)


def _operator(code: Table, copies: _Copies) -> Operator:
    # Codes above 127 are in the newer 32-bit field; older files have only the 8-bit one.
    number = max(code.integer(0, "<b"), code.integer(3, "<i"))
    custom = copies.text(code, 1)
    name = OPERATOR_NAMES[number] if 0 <= number < len(OPERATOR_NAMES) else f"UNKNOWN_{number}"
    return Operator(custom or name, code.integer(2, "<i", 1), bool(custom))


def _buffer_bytes(buffer: Table) -> int:
    inline = len(buffer.vector(0, np.uint8))
    outside = buffer.integer(2, "<Q")  # a file of over 2 GB stores buffers behind the FlatBuffer
    return inline + outside


def _tensor(tensor: Table, sizes: Sequence[int], copies: _Copies) -> Tensor:
    shape = tensor.vector(0, "<i4")
    if len(shape) > _MAX_DIMENSIONS:
        raise DamagedFlatBuffer(f"a tensor of {len(shape)} dimensions")
    code, buffer = tensor.integer(1, "<b"), tensor.integer(2, "<I")
    quantization = tensor.table(4)
    scales = quantization.vector(2, "<f4") if quantization else np.empty(0)
    zero_points = quantization.vector(3, "<i8") if quantization else np.empty(0)
    return Tensor(
        name=copies.text(tensor, 3),
        dtype=_TENSOR_TYPES[code] if 0 <= code < len(_TENSOR_TYPES) else f"type {code}",
        shape=tuple(shape.tolist()),
        scales=len(scales),
        scale=float(scales[0]) if len(scales) else 0.0,
        zero_point=int(zero_points[0]) if len(zero_points) else 0,
        buffer=buffer,
        payload_bytes=_pick(sizes, [buffer])[0],
    )
