"""Space-to-depth of the first convolution: several columns of a grey image are computed at once.

Kernels of 8-bit convolutions multiply groups of input channels, mostly four, and compute as many output channels at once as their registers
hold. The first convolution has one input channel and few output channels, so most of that work is wasted. Here neighbouring columns of the
image become channels, [28, 28, 1] as [28, 7, 4], which is the same memory; each output column of a group has its own filters, with zeros
outside its window, and [12, 6, 16] is [12, 12, 8] again. Each sum has the same terms as before and some zeros, so integers give the same
bits. Vendors of accelerators recommend it ("Use Space-to-depth transformation where possible" in Qualcomm's HTP guidelines,
docs.qualcomm.com); here only the width is folded, which moves no byte.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

COLUMNS = (1, 2, 4)  # that can be computed at once
MAX_COLUMNS = COLUMNS[-1]
WIDEST_FLOAT = 16
"""Output channels that fill the registers of float kernels on AVX2, and half of those on AVX-512; more do not gain speed."""

_KINDS = schema.BuiltinOperator
_DTYPES = {
    schema.TensorType.FLOAT32: "<f4",
    schema.TensorType.FLOAT16: "<f2",
    schema.TensorType.INT8: "<i1",
    schema.TensorType.INT32: "<i4",
}  # of constants that can be rearranged; 4-bit weights, two in a byte, cannot


def to_space_to_depth(flatbuffer: bytes, columns: int = MAX_COLUMNS) -> bytes:
    """Fold groups of columns into channels in convolutions of one channel; outputs stay the same.

    Args:
        flatbuffer: of one subgraph; one with several is returned unchanged.
        columns: of a group, at most: 4, 2, or 1 for no folding. A convolution that does not divide into such groups gets smaller ones. It
            is not folded if that would not be faster (float weights and many output channels; 16-bit activations, which have no such
            kernels), or if its weights have 4 bits, two in a byte.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    if len(model.subgraphs) > 1:
        return flatbuffer
    graph = _Graph(model)
    for operator in graph.operators:
        folds = (_fold_of(graph, operator, group) for group in reversed(COLUMNS) if 1 < group <= columns)
        if (fold := next(filter(None, folds), None)) is not None:
            _add_folded(graph, operator, fold)
        else:
            graph.add(operator)
    if len(graph.new_operators) == len(graph.operators):
        return flatbuffer
    model.subgraphs[0].operators = graph.used_operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


@dataclass(frozen=True)
class _Fold:
    """How a convolution is folded.

    stride: along the width. columns: input columns of a group. filters: output columns of a group. start: the column of the folded filters
    at which the filters of a group's first output column begin. kernel: width of the folded filters, in groups.
    """

    stride: int
    columns: int
    filters: int
    start: int
    kernel: int

    def weights(self, weights: NDArray[Any]) -> NDArray[Any]:
        """[features, height, width, 1] as [filters * features, height, kernel, columns]."""
        features, height, width, _ = weights.shape
        folded = np.zeros((self.filters, features, height, self.kernel * self.columns), weights.dtype)
        for place in range(self.filters):
            first = self.start + place * self.stride
            folded[place, :, :, first : first + width] = weights[..., 0]
        return folded.reshape(self.filters * features, height, self.kernel, self.columns)

    def per_feature(self, values: NDArray[Any]) -> NDArray[Any]:
        """[features] as [filters * features]."""
        return np.tile(values, self.filters)


def _fold_of(graph: "_Graph", operator: Any, columns: int) -> _Fold | None:
    """How an operator can be folded; None if it is not a convolution, or cannot be."""
    if graph.kind(operator) != _KINDS.CONV_2D:
        return None
    options = operator.builtinOptions
    image, weights, output = (graph.shape(index) for index in (*operator.inputs[:2], operator.outputs[0]))
    filters, remainder = divmod(columns, options.strideW)
    if image[3] != 1 or options.dilationWFactor != 1 or not all(map(graph.is_constant, operator.inputs[1:])):
        return None
    if remainder or image[2] % columns or output[2] % filters or not _gains(graph, operator, filters):
        return None
    same = options.padding == schema.Padding.SAME
    padded = max(options.strideW * (output[2] - 1) + weights[2] - image[2], 0) // 2 if same else 0  # columns, on the left
    groups = -(-padded // columns)
    start = groups * columns - padded
    kernel = -(-(start + options.strideW * (filters - 1) + weights[2]) // columns)
    if groups != ((kernel - 1) // 2 if same else 0) or output[2] // filters != image[2] // columns - (0 if same else kernel - 1):
        return None  # the runtime would pad differently
    return _Fold(options.strideW, columns, filters, start, kernel)


def _gains(graph: "_Graph", operator: Any, filters: int) -> bool:
    """Whether a convolution is faster with `filters` times as many output channels."""
    image, weights = (graph.dtype(index) for index in operator.inputs[:2])
    if weights == schema.TensorType.INT8:
        return image in (schema.TensorType.INT8, schema.TensorType.FLOAT32)
    features = graph.shape(operator.outputs[0])[3]
    return weights == schema.TensorType.FLOAT32 and filters > 1 and filters * features <= WIDEST_FLOAT


def _add_folded(graph: "_Graph", operator: Any, fold: _Fold) -> None:
    """Add RESHAPE, the convolution with folded weights, and RESHAPE."""
    source, output = int(operator.inputs[0]), int(operator.outputs[0])
    _, height, width, _ = graph.shape(source)
    _, rows, places, features = graph.shape(output)
    grouped = graph.like(source, (height, width // fold.columns, fold.columns))
    folded = graph.like(output, (rows, places // fold.filters, fold.filters * features))
    graph.add_reshape(source, grouped)
    convolution = copy.copy(operator)
    convolution.builtinOptions = copy.copy(operator.builtinOptions)
    convolution.builtinOptions.strideW = 1
    weights, *biases = operator.inputs[1:]
    convolution.inputs = [
        grouped,
        graph.changed(weights, fold.weights, fold.filters),
        *(graph.changed(bias, fold.per_feature, fold.filters) for bias in biases),
    ]
    convolution.outputs = [folded]
    graph.add(convolution)
    graph.add_reshape(folded, output)


class _Graph:
    """The first subgraph of a model, with tensors added to it and a new list of operators."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._tensors = model.subgraphs[0].tensors
        self._outputs = model.subgraphs[0].outputs
        self.operators = model.subgraphs[0].operators
        self.new_operators: list[Any] = []
        self._producers = {int(operator.outputs[0]): operator for operator in self.operators if len(operator.outputs)}

    def kind(self, operator: Any) -> int:
        code = self._model.operatorCodes[operator.opcodeIndex]
        return int(max(code.builtinCode, code.deprecatedBuiltinCode))

    def shape(self, index: int) -> tuple[int, ...]:
        return tuple(map(int, self._tensors[index].shape))

    def dtype(self, index: int) -> int:
        return int(self._tensors[index].type)

    def is_constant(self, index: int) -> bool:
        """Whether a tensor can be rearranged: a constant, or the output of DEQUANTIZE of one, as in float16 files."""
        if index < 0:  # an omitted input
            return False
        producer = self._producers.get(int(index))
        if producer is not None:
            return self.kind(producer) == _KINDS.DEQUANTIZE and self.is_constant(producer.inputs[0])
        tensor = self._tensors[index]
        return tensor.type in _DTYPES and tensor.sparsity is None and self._model.buffers[tensor.buffer].data is not None

    def add(self, operator: Any) -> None:
        self.new_operators.append(operator)

    @property
    def used_operators(self) -> list[Any]:
        """The new operators, without DEQUANTIZE of constants that were replaced."""
        wanted = {int(index) for operator in self.new_operators for index in operator.inputs} | set(map(int, self._outputs))
        return [
            operator
            for operator in self.new_operators
            if self.kind(operator) != _KINDS.DEQUANTIZE or int(operator.outputs[0]) in wanted
        ]

    def add_reshape(self, source: int, output: int) -> None:
        """Add a RESHAPE to the shape of `output`, for any batch size.

        The shape is an option of the operator, not a second input, which would be a constant of 16 bytes.
        """
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(_KINDS.RESHAPE)
        operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
        operator.builtinOptions = schema.ReshapeOptionsT()
        operator.builtinOptions.newShape = [-1, *self.shape(output)[1:]]
        operator.inputs, operator.outputs = [source], [output]
        self.add(operator)

    def like(self, index: int, shape: tuple[int, ...]) -> int:
        """The number of a new tensor like another one, with another shape after the batch dimension."""
        tensor = copy.copy(self._tensors[index])
        tensor.shape, tensor.shapeSignature = [1, *shape], [-1, *shape]
        return self._added(tensor)

    def changed(self, index: int, change: Callable[[NDArray[Any]], NDArray[Any]], times: int) -> int:
        """The number of a new constant, or of its DEQUANTIZE, with changed values and scales repeated `times` times."""
        tensor = copy.copy(self._tensors[index])
        if (producer := self._producers.get(int(index))) is not None:
            operator = copy.copy(producer)
            operator.inputs = [self.changed(int(producer.inputs[0]), change, times)]
            tensor.shape = self._tensors[operator.inputs[0]].shape
            operator.outputs = [self._added(tensor)]
            self.add(operator)
            return int(operator.outputs[0])
        dtype = _DTYPES[tensor.type]
        values = change(np.frombuffer(bytes(self._model.buffers[tensor.buffer].data), dtype).reshape(self.shape(index)))
        tensor.shape, tensor.buffer = list(values.shape), self._buffer(values.astype(dtype))
        tensor.quantization = _repeated(tensor.quantization, times)
        return self._added(tensor)

    def _buffer(self, values: NDArray[Any]) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        return len(self._model.buffers) - 1

    def _added(self, tensor: Any) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _code(self, kind: int) -> int:
        for number, code in enumerate(self._model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == kind:
                return number
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 1
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1


def _repeated(quantization: Any, times: int) -> Any:
    """Per-channel quantisation, repeated `times` times; quantisation of the whole tensor, or none, unchanged."""
    if quantization is None or quantization.scale is None or len(quantization.scale) < 2:
        return quantization
    repeated = copy.copy(quantization)
    for name in ("scale", "zeroPoint", "min", "max"):
        if (values := getattr(quantization, name)) is not None:
            setattr(repeated, name, np.tile(values, times))
    return repeated
