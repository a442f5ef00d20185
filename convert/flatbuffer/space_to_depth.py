"""Convolutions of grey images, computed on several columns at once.

Kernels for 8-bit convolutions multiply groups of input channels, most often four, and all kernels compute so many output channels at once
as their registers hold. The first convolution has one input channel and few output channels, so that most of that work would be for
nothing. Here neighbouring columns of the image become its channels, [28, 28, 1] as [28, 7, 4], which is the same memory; each output column
of such a group has filters of its own, with zeros where it sees nothing, and [12, 6, 16] is [12, 12, 8] again. Every sum has the same terms
as before and some zeros: integers give the same bits. Vendors of accelerators call it space-to-depth ("Use
Space-to-depth transformation where possible" in Qualcomm's HTP guidelines, docs.qualcomm.com); here it is for the width alone, which moves
no byte.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

COLUMNS = (1, 2, 4)  # of the image that may be taken at once
MOST_COLUMNS = COLUMNS[-1]
WIDEST_FLOAT = 16
"""Output channels that float kernels fill registers with: on AVX2, and half of those on AVX-512. More are only more work."""

_KINDS = schema.BuiltinOperator
_DTYPES = {
    schema.TensorType.FLOAT32: "<f4",
    schema.TensorType.FLOAT16: "<f2",
    schema.TensorType.INT8: "<i1",
    schema.TensorType.INT32: "<i4",
}  # of constants that can be rearranged: 4-bit weights, two in a byte, are not among them


def to_space_to_depth(flatbuffer: bytes, columns: int = MOST_COLUMNS) -> bytes:
    """The same model with its convolutions of one channel computed on groups of columns.

    Args:
        flatbuffer: of one subgraph; others stay as they are.
        columns: of the image in one group: 4, 2, or 1 for none. A convolution that does not divide into such groups gets smaller ones.
            It stays as it is where that would not be quicker: with float weights and many output channels, with 16-bit activations,
            which have no such kernels; and with 4-bit weights, two of which are in a byte.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    if len(model.subgraphs) > 1:
        return flatbuffer
    graph = _Graph(model)
    for operator in graph.operators:
        folds = (_fold_of(graph, operator, group) for group in reversed(COLUMNS) if 1 < group <= columns)
        if (fold := next(filter(None, folds), None)) is not None:
            _put_folded(graph, operator, fold)
        else:
            graph.put(operator)
    if len(graph.put_operators) == len(graph.operators):
        return flatbuffer
    model.subgraphs[0].operators = graph.used_operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


@dataclass(frozen=True)
class _Fold:
    """How a convolution is folded.

    stride: of its width. columns: of the input in a group. filters: output columns of a group. start: the column of the folded filters
    where those of a group's first output column begin. kernel: width of the folded filters, in groups.
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
    """How a convolution can be folded; None if the operator is none, or cannot be."""
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
        return None  # the runtime would begin elsewhere, or end
    return _Fold(options.strideW, columns, filters, start, kernel)


def _gains(graph: "_Graph", operator: Any, filters: int) -> bool:
    """Whether a convolution whose output channels become so many times as many is quicker then."""
    image, weights = (graph.dtype(index) for index in operator.inputs[:2])
    if weights == schema.TensorType.INT8:
        return image in (schema.TensorType.INT8, schema.TensorType.FLOAT32)
    features = graph.shape(operator.outputs[0])[3]
    return weights == schema.TensorType.FLOAT32 and filters > 1 and filters * features <= WIDEST_FLOAT


def _put_folded(graph: "_Graph", operator: Any, fold: _Fold) -> None:
    """RESHAPE, the convolution with folded weights, RESHAPE."""
    source, output = int(operator.inputs[0]), int(operator.outputs[0])
    _, height, width, _ = graph.shape(source)
    _, rows, places, features = graph.shape(output)
    grouped = graph.like(source, (height, width // fold.columns, fold.columns))
    together = graph.like(output, (rows, places // fold.filters, fold.filters * features))
    graph.put_reshape(source, grouped)
    convolution = copy.copy(operator)
    convolution.builtinOptions = copy.copy(operator.builtinOptions)
    convolution.builtinOptions.strideW = 1
    weights, *biases = operator.inputs[1:]
    convolution.inputs = [
        grouped,
        graph.changed(weights, fold.weights, fold.filters),
        *(graph.changed(bias, fold.per_feature, fold.filters) for bias in biases),
    ]
    convolution.outputs = [together]
    graph.put(convolution)
    graph.put_reshape(together, output)


class _Graph:
    """The first subgraph of a model, to which tensors are added while its operators are put down again."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._tensors = model.subgraphs[0].tensors
        self._outputs = model.subgraphs[0].outputs
        self.operators = model.subgraphs[0].operators
        self.put_operators: list[Any] = []
        self._makers = {int(operator.outputs[0]): operator for operator in self.operators if len(operator.outputs)}

    def kind(self, operator: Any) -> int:
        code = self._model.operatorCodes[operator.opcodeIndex]
        return int(max(code.builtinCode, code.deprecatedBuiltinCode))

    def shape(self, index: int) -> tuple[int, ...]:
        return tuple(map(int, self._tensors[index].shape))

    def dtype(self, index: int) -> int:
        return int(self._tensors[index].type)

    def is_constant(self, index: int) -> bool:
        """Whether it can be rearranged: a constant, or what DEQUANTIZE makes of one, as in float16 files."""
        if index < 0:  # an input that is left out
            return False
        maker = self._makers.get(int(index))
        if maker is not None:
            return self.kind(maker) == _KINDS.DEQUANTIZE and self.is_constant(maker.inputs[0])
        tensor = self._tensors[index]
        return tensor.type in _DTYPES and tensor.sparsity is None and self._model.buffers[tensor.buffer].data is not None

    def put(self, operator: Any) -> None:
        self.put_operators.append(operator)

    @property
    def used_operators(self) -> list[Any]:
        """What was put down, without what unpacked constants that others have replaced."""
        wanted = {int(index) for operator in self.put_operators for index in operator.inputs} | set(map(int, self._outputs))
        return [
            operator
            for operator in self.put_operators
            if self.kind(operator) != _KINDS.DEQUANTIZE or int(operator.outputs[0]) in wanted
        ]

    def put_reshape(self, source: int, output: int) -> None:
        """RESHAPE to the shape of `output`, for any number of images.

        The shape is an option of the operator and no second input, which would be a constant of 16 bytes.
        """
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(_KINDS.RESHAPE)
        operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
        operator.builtinOptions = schema.ReshapeOptionsT()
        operator.builtinOptions.newShape = [-1, *self.shape(output)[1:]]
        operator.inputs, operator.outputs = [source], [output]
        self.put(operator)

    def like(self, index: int, shape: tuple[int, ...]) -> int:
        """The number of a new tensor like another one, of another shape beside the batch."""
        tensor = copy.copy(self._tensors[index])
        tensor.shape, tensor.shapeSignature = [1, *shape], [-1, *shape]
        return self._added(tensor)

    def changed(self, index: int, change: Callable[[NDArray[Any]], NDArray[Any]], times: int) -> int:
        """The number of a new constant, or of what DEQUANTIZE makes of it, with its values changed and its scales so many times over."""
        tensor = copy.copy(self._tensors[index])
        if (maker := self._makers.get(int(index))) is not None:
            operator = copy.copy(maker)
            operator.inputs = [self.changed(int(maker.inputs[0]), change, times)]
            tensor.shape = self._tensors[operator.inputs[0]].shape
            operator.outputs = [self._added(tensor)]
            self.put(operator)
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
    """Quantisation for each output channel, so many times over; for the whole tensor, or none, as it is."""
    if quantization is None or quantization.scale is None or len(quantization.scale) < 2:
        return quantization
    repeated = copy.copy(quantization)
    for name in ("scale", "zeroPoint", "min", "max"):
        if (values := getattr(quantization, name)) is not None:
            setattr(repeated, name, np.tile(values, times))
    return repeated
