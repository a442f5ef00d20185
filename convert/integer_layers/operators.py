"""Read what C code needs of a FlatBuffer: operators with their options, shapes, scales and constants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ModelFileError
from edge_runtime.model.builtin_operators import OPERATOR_NAMES
from edge_runtime.model.flatbuffer import DamagedFlatBuffer, Table

# For each operator: its options' slots in the schema, with the format and the default of each.
OPTIONS: Mapping[str, Mapping[str, tuple[int, str, int]]] = {
    "CONV_2D": {
        "padding": (0, "<b", 0),
        "stride_w": (1, "<i", 0),
        "stride_h": (2, "<i", 0),
        "activation": (3, "<b", 0),
        "dilation_w": (4, "<i", 1),
        "dilation_h": (5, "<i", 1),
    },
    "DEPTHWISE_CONV_2D": {
        "padding": (0, "<b", 0),
        "stride_w": (1, "<i", 0),
        "stride_h": (2, "<i", 0),
        "activation": (4, "<b", 0),
        "dilation_w": (5, "<i", 1),
        "dilation_h": (6, "<i", 1),
    },
    "AVERAGE_POOL_2D": {
        "padding": (0, "<b", 0),
        "stride_w": (1, "<i", 0),
        "stride_h": (2, "<i", 0),
        "filter_w": (3, "<i", 0),
        "filter_h": (4, "<i", 0),
        "activation": (5, "<b", 0),
    },
    "FULLY_CONNECTED": {"activation": (0, "<b", 0), "weights_format": (1, "<b", 0)},
    "MEAN": {"keep_dims": (0, "<b", 0)},
    "RESHAPE": {},
}
OPTIONS = {**OPTIONS, "MAX_POOL_2D": OPTIONS["AVERAGE_POOL_2D"]}

_DTYPES = {0: "float32", 2: "int32", 9: "int8", 17: "int4"}
_MAX_ENTRIES = 10_000


@dataclass(frozen=True)
class Tensor:
    """A tensor. scales: float32, one for each channel or one; empty if not quantised. constant: its values, None for an activation."""

    dtype: str
    shape: tuple[int, ...]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    channel_axis: int
    constant: NDArray[Any] | None


@dataclass(frozen=True)
class Operator:
    """An operator of `OPTIONS`. inputs: None where an optional one is omitted. place: in the order of execution, from 1."""

    kind: str
    place: int
    inputs: tuple[Tensor | None, ...]
    input: int
    output: int
    options: Mapping[str, int]
    result: Tensor

    def __str__(self) -> str:
        return f"{self.kind} (operator {self.place})"

    @property
    def source(self) -> Tensor:
        """The tensor that it is applied to."""
        return self.required(0)

    def required(self, place: int) -> Tensor:
        """An input that must be there.

        Raises:
            ModelFileError: it is omitted.
        """
        tensor = self.inputs[place] if place < len(self.inputs) else None
        if tensor is None:
            raise ModelFileError(f"{self} has no input {place}")
        return tensor


@dataclass(frozen=True)
class OperatorList:
    """The operators of a graph in the order of execution, and the numbers of its input and its output tensor."""

    operators: tuple[Operator, ...]
    input: int
    output: int


def read_operators(flatbuffer: bytes) -> OperatorList:
    """Read the operators of a model of one input and one output, whose FlatBuffer was checked by `read_graph`.

    Raises:
        ModelFileError: it is damaged, or has an operator that is not in `OPTIONS`; the message names all of these.
    """
    try:
        return _read(Table.root(flatbuffer))
    except (DamagedFlatBuffer, IndexError) as error:
        raise ModelFileError(f"damaged or truncated TFLite model ({error})") from error


def _read(model: Table) -> OperatorList:
    kinds = [_kind(code) for code in model.tables(1, _MAX_ENTRIES)]
    graphs = list(model.tables(2, _MAX_ENTRIES))
    if len(graphs) != 1:
        raise ModelFileError(f"has {len(graphs)} subgraphs; C code is written for models of one")
    graph = graphs[0]
    rows = [(kinds[row.integer(0, "<I")], row) for row in graph.tables(3, _MAX_ENTRIES)]
    if unknown := sorted({kind for kind, _ in rows if kind not in OPTIONS}):
        raise ModelFileError(f"has {', '.join(unknown)}, which cannot be written as C; supported are {', '.join(sorted(OPTIONS))}")
    buffers = list(model.tables(4, _MAX_ENTRIES))
    tensors = [_tensor(tensor, buffers) for tensor in graph.tables(0, _MAX_ENTRIES)]
    operators = tuple(_operator(kind, place, row, tensors) for place, (kind, row) in enumerate(rows, 1))
    return OperatorList(operators, *(_indices(graph, slot)[0] for slot in (1, 2)))


def _kind(code: Table) -> str:
    number = max(code.integer(0, "<b"), code.integer(3, "<i"))
    name = OPERATOR_NAMES[number] if 0 <= number < len(OPERATOR_NAMES) else f"UNKNOWN_{number}"
    custom = "".join(letter if letter.isalnum() else "_" for letter in code.text(1)[:40])
    return f"{name} {custom}" if custom else name


def _indices(table: Table, slot: int) -> list[int]:
    numbers: list[int] = table.vector(slot, "<i4").tolist()
    return numbers


def _operator(kind: str, place: int, row: Table, tensors: list[Tensor]) -> Operator:
    inputs, outputs = _indices(row, 1), _indices(row, 2)
    if not inputs or len(outputs) != 1 or not all(-1 <= index < len(tensors) for index in (*inputs, *outputs)):
        raise DamagedFlatBuffer(f"operator {place} ({kind}) has tensors {inputs} and {outputs}")
    stored = row.table(4)
    options = {
        name: stored.integer(slot, form, default) if stored else default for name, (slot, form, default) in OPTIONS[kind].items()
    }
    used = tuple(tensors[index] if index >= 0 else None for index in inputs)
    return Operator(kind, place, used, inputs[0], outputs[0], options, tensors[outputs[0]])


def _tensor(tensor: Table, buffers: list[Table]) -> Tensor:
    shape = tuple(int(length) for length in tensor.vector(0, "<i4"))
    dtype = _DTYPES.get(tensor.integer(1, "<b"), "another type")
    quantization = tensor.table(4)
    content = buffers[tensor.integer(2, "<I")].vector(0, np.uint8)
    return Tensor(
        dtype,
        shape,
        np.asarray(quantization.vector(2, "<f4") if quantization else (), np.float32),
        np.asarray(quantization.vector(3, "<i8") if quantization else (), np.int64),
        quantization.integer(6, "<i") if quantization else 0,
        _constant(content.astype(np.uint8), dtype, shape) if len(content) else None,
    )


def _constant(content: NDArray[np.uint8], dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """The values of a constant; 4-bit ones, two in a byte with the first in its lower half, as int8."""
    count = int(np.prod(shape, dtype=np.int64))
    if dtype == "int4":
        halves = np.stack([content & 15, content >> 4], axis=1).reshape(-1)[:count].astype(np.int8)
        values: NDArray[Any] = np.where(halves > 7, halves - 16, halves).astype(np.int8)
    elif dtype in ("int8", "int32", "float32"):
        values = np.frombuffer(content.tobytes(), np.dtype(dtype).newbyteorder("<"))
    else:
        values = content
    if dtype in ("int8", "int4", "int32") and values.size != count:
        raise DamagedFlatBuffer(f"a constant of shape {list(shape)} has {values.size:,} values")
    return values.reshape(shape) if values.size == count else values
