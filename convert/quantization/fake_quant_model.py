"""A trainable twin of a float TFLite file: a Keras model whose layers are the file's operators, with the file's own weights.

The converter has folded batch normalisation and scaling into those weights, so what is trained here is what a device computes. Weights and
activations pass through fake quantisation by the rules of the quantiser: weights symmetric with a scale for each output channel,
activations 8-bit with one scale and zero point for a tensor, biases in 32 bits. Scales are learned with the weights (Esser et al., "Learned
Step Size Quantization", arXiv 1902.08153); rounding has the straight-through gradient (Bengio et al., arXiv 1308.3432).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.flatbuffer.float_model import WEIGHTED, FloatModel, Operation
from convert.quantization.activation_ranges import PIXEL_RANGE, Range
from convert.quantization.float_operators import apply_plain, apply_weights
from edge_runtime.errors import InputError
from train.backend import keras, layers, tf

KEEP_SCALE = ("RESHAPE", "MAX_POOL_2D", "AVERAGE_POOL_2D", "PAD")  # their output has the quantisation of their input
KERNEL_RANGES = {"TANH": (-1.0, 127 / 128), "LOGISTIC": (0.0, 255 / 256)}  # what the kernels demand of their output
_TRAINABLE = (*KEEP_SCALE, *KERNEL_RANGES, "MEAN", "ADD", "MUL", "RELU", "GELU")  # and those with weights


class FakeQuantization(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Rounds activations to the 256 values of a range, whose scale is learned. The zero point stays as it is."""

    def __init__(self, limits: Range, *, learned: bool = True) -> None:
        super().__init__()
        low, high = min(limits[0], 0.0), max(limits[1], 0.0)
        scale = max(high - low, 1e-9) / 255
        self.zero_point = int(np.rint(-128 - low / scale))
        self.log_scale = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(np.log(scale)), trainable=learned, name="log_scale"
        )

    def call(self, x: Any) -> Any:
        """float32 of any shape, rounded."""
        scale = self.scale
        steps = tf.clip_by_value(x / scale, -128.0 - self.zero_point, 127.0 - self.zero_point)
        return _rounded(steps) * scale

    @property
    def scale(self) -> Any:
        """The size of one step."""
        return tf.exp(self.log_scale)

    @property
    def limits(self) -> Range:
        """The least and the largest value."""
        scale = float(np.exp(np.float32(self.log_scale)))
        return (-128 - self.zero_point) * scale, (127 - self.zero_point) * scale


class WeightedOperator(layers.Layer):  # type: ignore[misc]
    """A convolution or a dense layer with fake-quantised weights, as float32 [out, ...] like the file's; for depthwise [1, h, w, out]."""

    def __init__(
        self,
        operation: Operation,
        constants: Sequence[NDArray[np.float32]],
        bits: int | None,
        unit: float,
        source: FakeQuantization | None,
    ) -> None:
        weights = constants[0]
        bias = constants[1] if len(constants) > 1 else np.zeros(1, np.float32)
        super().__init__()
        self._operation = operation
        self._most = 2 ** (bits - 1) - 1 if bits else 0
        self._others = tuple(range(3)) if operation.kind == "DEPTHWISE_CONV_2D" else tuple(range(1, weights.ndim))
        # Adam's steps are as large for every weight, so weights are trained in units of the largest of their channel.
        self._units = np.maximum(np.abs(weights).max(axis=self._others, keepdims=True), 1e-9)
        self._bias_unit = unit
        self._source = source  # of the input
        self._kernel = self._variable("kernel", weights / self._units)
        self._bias = self._variable("bias", bias / unit)
        if bits:
            self._log_scale = self._variable("log_scale", np.full(self._units.shape, np.log(1 / self._most)))

    def _variable(self, name: str, values: NDArray[np.float32]) -> Any:
        return self.add_weight(shape=values.shape, initializer=lambda *_, **__: tf.constant(values, tf.float32), name=name)

    def quantized_kernel(self) -> Any:
        """The weights as the quantiser will find them."""
        if not self._most:
            return self._kernel * self._units
        scale = self._scale()
        return _rounded(tf.clip_by_value(self._kernel / scale, -self._most, self._most)) * (scale * self._units)

    def _scale(self) -> Any:
        # The largest weight of each channel is always rounded to the last step, so that the quantiser finds this very scale.
        reach = tf.reduce_max(tf.abs(self._kernel), axis=self._others, keepdims=True)
        return tf.maximum(tf.minimum(tf.exp(self._log_scale), reach / (self._most - 0.49)), 1e-6)

    @property
    def bias(self) -> Any:
        """The biases; as whole steps, each a step of the input times one of the weights, where those are quantised."""
        bias = self._bias * self._bias_unit
        if not self._most or self._source is None:
            return bias
        step = tf.reshape(self._scale() * self._units, (-1,)) * self._source.scale
        return _rounded(bias / step) * step

    def call(self, x: Any) -> Any:
        """float32 [N, ...], as the operator takes it."""
        return apply_weights(self._operation, x, self.quantized_kernel(), self.bias)


class FakeQuantModel:
    """The twin of a float file.

    model: float32 [N, ...] pixel values to float32 [N, classes] logits.
    """

    def __init__(
        self, file: FloatModel, ranges: Mapping[int, Range] | None = None, bits: Callable[[Operation], int] = lambda _: 8
    ) -> None:
        """Build the twin.

        Args:
            file: the float file.
            ranges: least and largest value of each activation by its tensor's number; None for a twin that computes in floats.
            bits: of an operation's weights.

        Raises:
            InputError: the file has an operator that is not known here.
        """
        self._file = file
        self.weighted: dict[int, WeightedOperator] = {}  # by the number of the tensor that they give
        self.quantizations: dict[int, FakeQuantization] = {}  # by the number of the tensor of activations
        inputs = keras.Input(file.shape(file.input)[1:])
        values = {file.input: inputs if ranges is None else self._quantized(file.input, inputs, PIXEL_RANGE, learned=False)}
        for operation in file.operations:
            unit = 1.0 if ranges is None else max(map(abs, ranges[operation.output])) or 1.0  # 0 where nothing comes out
            result = self._apply(
                operation, [values[index] for index in operation.inputs], None if ranges is None else bits(operation), unit
            )
            if ranges is not None and operation.kind not in KEEP_SCALE:
                fixed = KERNEL_RANGES.get(operation.kind)
                result = self._quantized(operation.output, result, fixed or ranges[operation.output], learned=fixed is None)
            values[operation.output] = result
        self.model = keras.Model(inputs, values[file.output], name="twin")

    def inputs(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Images, uint8 [N, 28, 28], as the model takes them."""
        return images.reshape(len(images), *self._file.shape(self._file.input)[1:]).astype(np.float32)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits, float32 [N, classes], of uint8 [N, 28, 28]."""
        logits: NDArray[np.float32] = self.model.predict(self.inputs(images), batch_size=500, verbose=0)
        return logits

    def constants(self) -> dict[int, NDArray[np.float32]]:
        """Weights and biases as trained, the weights rounded to their steps, by the number of the tensor."""
        found: dict[int, NDArray[np.float32]] = {}
        for operation in self._file.operations:
            if layer := self.weighted.get(operation.output):
                found |= dict(zip(operation.constants, map(np.asarray, (layer.quantized_kernel(), layer.bias)), strict=False))
        return found

    @property
    def ranges(self) -> dict[int, Range]:
        """Least and largest value of each activation, by the number of its tensor."""
        ranges = {index: layer.limits for index, layer in self.quantizations.items()}
        for operation in self._file.operations:
            if operation.kind in KEEP_SCALE:
                ranges[operation.output] = ranges[self._origin(operation.output)]
        return ranges

    def _quantized(self, index: int, x: Any, limits: Range, learned: bool) -> Any:
        layer = self.quantizations[index] = FakeQuantization(limits, learned=learned)
        return layer(x)

    def _origin(self, index: int) -> int:
        """The tensor whose quantisation another one has: itself, or what went into the operators that keep it."""
        for operation in self._file.operations:
            if operation.output == index and operation.kind in KEEP_SCALE:
                return self._origin(operation.inputs[0])
        return index

    def _apply(self, operation: Operation, inputs: list[Any], bits: int | None, unit: float) -> Any:
        if operation.kind in WEIGHTED and len(inputs) == 1:
            constants = [self._file.constant(index) for index in operation.constants]
            layer = self.weighted[operation.output] = WeightedOperator(
                operation, constants, bits, unit, self.quantizations.get(self._origin(operation.inputs[0]))
            )
            return layer(inputs[0])
        if operation.kind not in _TRAINABLE:
            raise InputError(f"quantisation-aware training knows no operator {operation.kind}")
        return layers.Lambda(lambda values: apply_plain(operation, self._file, values))(inputs)


def _rounded(x: Any) -> Any:
    """Rounds to the nearest whole number, halves to even; its gradient is that of x itself."""
    return x + tf.stop_gradient(tf.round(x) - x)
