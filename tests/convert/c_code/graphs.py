"""Small int8 graphs with random weights, written operator by operator with LiteRT's own schema."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
NONE, RELU, RELU6 = (getattr(schema.ActivationFunctionType, name) for name in ("NONE", "RELU", "RELU6"))
_INPUT_SCALE = 1.0


def _size(length: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    return -(-length // stride) if padding == SAME else (length - (kernel - 1) * dilation - 1) // stride + 1


@dataclass
class GraphBuilder:
    """A chain of operators from 28x28 pixels to logits. Each method appends one; `finish` writes the file.

    `zero_point` is that of all activations that are not pixels. Scales are such that outputs are spread over their range.
    """

    seed: int
    zero_point: int = -128
    bits: int = 8
    _model: Any = field(default_factory=schema.ModelT)
    _graph: Any = field(default_factory=schema.SubGraphT)
    biases: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self._model.version, self._model.subgraphs = 3, [self._graph]
        self._model.buffers, self._model.operatorCodes = [schema.BufferT()], []
        self._graph.tensors, self._graph.operators = [], []
        self.shape: tuple[int, ...] = (1, 28, 28, 1)
        self.scale, self.zero = _INPUT_SCALE, -128
        self.spread = 128.0  # typical distance of activations from zero, in steps
        self.current = self._tensor(self.shape, schema.TensorType.INT8, [self.scale], [self.zero])

    def reshape(self, *shape: int) -> "GraphBuilder":
        """Another shape after the batch dimension."""
        self.shape = (1, *shape)
        options = schema.ReshapeOptionsT()
        options.newShape = list(self.shape)
        self._apply("RESHAPE", options, [], self.scale, self.zero)
        return self

    def convolution(
        self,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: int = VALID,
        activation: int = RELU,
        depthwise: bool = False,
    ) -> "GraphBuilder":
        """`channels` of a depthwise convolution is the multiplier."""
        _, height, width, inputs = self.shape
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding, options.fusedActivationFunction = padding, activation
        options.strideH, options.strideW = stride
        options.dilationHFactor, options.dilationWFactor = dilation
        if depthwise:
            options.depthMultiplier = channels
        outputs = inputs * channels if depthwise else channels
        shape = (1, *kernel, outputs) if depthwise else (outputs, *kernel, inputs)
        constants = self._weights(shape, outputs, 3 if depthwise else 0, 8 if depthwise else self.bits)
        sizes = map(_size, (height, width), kernel, stride, dilation, (padding, padding))
        self.shape = (1, *sizes, outputs)
        self._apply("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", options, constants, self.next_scale, self.zero_point)
        return self

    def dense(self, outputs: int, activation: int = NONE) -> "GraphBuilder":
        """FULLY_CONNECTED."""
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        inputs = int(np.prod(self.shape))
        constants = self._weights((outputs, inputs), outputs, 0, self.bits)
        self.shape = (1, outputs)
        self._apply("FULLY_CONNECTED", options, constants, self.next_scale, self.zero_point)
        return self

    def pool(
        self, kind: str, size: tuple[int, int], stride: tuple[int, int], padding: int = VALID, activation: int = NONE
    ) -> "GraphBuilder":
        """`kind` is MAX or AVERAGE."""
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = size
        options.strideH, options.strideW = stride
        options.padding, options.fusedActivationFunction = padding, activation
        _, height, width, channels = self.shape
        self.shape = (1, *map(_size, (height, width), size, stride, (1, 1), (padding, padding)), channels)
        self._apply(f"{kind}_POOL_2D", options, [], self.scale, self.zero)
        return self

    def mean(self, keep_dims: bool = False) -> "GraphBuilder":
        """Over height and width."""
        options = schema.ReducerOptionsT()
        options.keepDims = keep_dims
        axes = self._tensor((2,), schema.TensorType.INT32, content=np.array([1, 2], "<i4").tobytes())
        self.shape = (1, 1, 1, self.shape[3]) if keep_dims else (1, self.shape[3])
        self._apply("MEAN", options, [axes], self.scale * 0.6, self.zero_point)
        return self

    def softmax(self) -> "GraphBuilder":
        """An operator that is not written as C."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        self._apply("SOFTMAX", options, [], 1 / 256, -128)
        return self

    def finish(self) -> bytes:
        """The FlatBuffer."""
        self._graph.inputs, self._graph.outputs = [0], [self.current]
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self._model))

    def _weights(self, shape: Sequence[int], outputs: int, axis: int, bits: int) -> list[int]:
        limit = 2 ** (bits - 1)
        values = self.random.integers(-limit + 1, limit, shape)
        scales = self.random.uniform(0.5, 1.5, outputs) * 0.01
        taps = int(np.prod(shape)) // outputs
        spread = self.spread * limit / 2 * np.sqrt(taps)
        self.next_scale = float(self.scale * 0.01 * spread / 60)
        kind = schema.TensorType.INT4 if bits == 4 else schema.TensorType.INT8
        biases = (self.random.normal(size=outputs) * spread / 2).astype("<i4")
        self.biases.append(biases.tobytes())
        return [
            self._tensor(shape, kind, scales, [0] * outputs, _packed(values, bits), axis),
            self._tensor((outputs,), schema.TensorType.INT32, scales * self.scale, [0] * outputs, biases.tobytes()),
        ]

    def _apply(self, kind: str, options: Any, constants: list[int], scale: float, zero_point: int) -> None:
        number = getattr(schema.BuiltinOperator, kind)
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = 1
        self._model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.builtinOptions = options
        name = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        operator.inputs = [self.current, *constants]
        self.current = self._tensor(self.shape, schema.TensorType.INT8, [scale], [zero_point])
        operator.outputs = [self.current]
        self._graph.operators.append(operator)
        self.scale, self.zero, self.spread = scale, zero_point, 60.0

    def _tensor(
        self,
        shape: Sequence[int],
        kind: int,
        scales: Any = (),
        zero_points: Sequence[int] = (),
        content: bytes = b"",
        axis: int = 0,
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = list(map(int, shape)), kind, f"t{len(self._graph.tensors)}".encode()
        if len(scales):
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.asarray(scales, np.float32)
            tensor.quantization.zeroPoint = list(zero_points)
            tensor.quantization.quantizedDimension = axis
        tensor.buffer = 0
        if content:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(content, np.uint8)
            self._model.buffers.append(buffer)
            tensor.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1


def _packed(values: NDArray[Any], bits: int) -> bytes:
    flat = values.reshape(-1).astype(np.int8)
    if bits == 8:
        return flat.tobytes()
    halves = np.append(flat & 15, [0] * (flat.size % 2)).astype(np.uint8)
    return (halves[0::2] | halves[1::2] << 4).tobytes()
