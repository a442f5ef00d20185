"""A trainable Keras model of a float TFLite file with fake quantisation: its layers are the file's operators, with the file's weights.

Batch normalisation and scaling are folded into those weights already, so training sees what a device computes. Weights and activations are
fake-quantised as the quantiser does: symmetric weights with one scale for each output channel, 8-bit activations with one scale and zero
point for each tensor, 32-bit biases. Scales are learned with the weights (Esser et al., "Learned Step Size Quantization",
arXiv 1902.08153); rounding has the straight-through gradient (Bengio et al., arXiv 1308.3432).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.flatbuffer.float_model import WEIGHTED, FloatModel, Operation
from convert.quantization.activation_ranges import PIXEL_RANGE, Range
from convert.quantization.float_operators import apply_plain, apply_weights
from convert.quantization.quantizer import FLOAT
from edge_runtime.errors import InputError
from train.backend import keras, layers, tf

# Output and input have the same quantisation; averages, which lie between two steps, are rounded again.
KEEP_SCALE = ("RESHAPE", "MAX_POOL_2D", "AVERAGE_POOL_2D", "PAD")
KERNEL_RANGES = {"TANH": (-1.0, 127 / 128), "LOGISTIC": (0.0, 255 / 256)}  # fixed output ranges of the kernels
_TRAINABLE = (*KEEP_SCALE, *KERNEL_RANGES, "MEAN", "ADD", "MUL", "RELU", "GELU")  # and those with weights


class FakeQuantization(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Rounds activations to the 256 values of a range. The scale is learned, the zero point is fixed."""

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
        """Minimum and maximum."""
        scale = float(np.exp(np.float32(self.log_scale)))
        return (-128 - self.zero_point) * scale, (127 - self.zero_point) * scale


class WeightedOperator(layers.Layer):  # type: ignore[misc]
    """A convolution or a dense layer with fake-quantised weights in the file's layout: [out, ...]; depthwise [1, h, w, out]."""

    def __init__(
        self,
        operation: Operation,
        constants: Sequence[NDArray[np.float32]],
        bits: int,
        unit: float,
        source: FakeQuantization | None,
    ) -> None:
        weights, *biases = constants
        super().__init__()
        self._operation = operation
        self._max_step = 2 ** (bits - 1) - 1 if bits != FLOAT else 0
        self._others = tuple(range(3)) if operation.kind == "DEPTHWISE_CONV_2D" else tuple(range(1, weights.ndim))
        # Adam's steps have the same size for all weights, so weights are trained relative to the largest of their channel.
        self._units = np.maximum(np.abs(weights).max(axis=self._others, keepdims=True), 1e-9)
        self._bias_unit = unit
        self._source = source  # of the input
        self._kernel = self._variable("kernel", weights / self._units)
        # A file without a bias has no place for one.
        self._bias = self._variable("bias", biases[0] / unit) if biases else None
        if self._max_step:
            self._log_scale = self._variable("log_scale", np.full(self._units.shape, np.log(1 / self._max_step)))

    def _variable(self, name: str, values: NDArray[np.float32]) -> Any:
        return self.add_weight(shape=values.shape, initializer=lambda *_, **__: tf.constant(values, tf.float32), name=name)

    def quantized_kernel(self) -> Any:
        """The weights, rounded as the quantiser will round them."""
        if not self._max_step:
            return self._kernel * self._units
        scale = self._scale()
        return _rounded(tf.clip_by_value(self._kernel / scale, -self._max_step, self._max_step)) * (scale * self._units)

    def _scale(self) -> Any:
        # The largest weight of each channel always rounds to the last step, so that the quantiser computes this same scale.
        largest = tf.reduce_max(tf.abs(self._kernel), axis=self._others, keepdims=True)
        return tf.maximum(tf.minimum(tf.exp(self._log_scale), largest / (self._max_step - 0.49)), 1e-6)

    @property
    def bias(self) -> Any:
        """The biases, None without; if weights are quantised, multiples of the input's scale times the weights' scale."""
        if self._bias is None:
            return None
        bias = self._bias * self._bias_unit
        if not self._max_step or self._source is None:
            return bias
        step = tf.reshape(self._scale() * self._units, (-1,)) * self._source.scale
        return _rounded(bias / step) * step

    def call(self, x: Any) -> Any:
        """Apply the operator to float32 [N, ...]."""
        bias = self.bias
        return apply_weights(self._operation, x, self.quantized_kernel(), 0.0 if bias is None else bias)


class FakeQuantModel:
    """A float file as a trainable Keras model.

    model: maps pixel values, float32 [N, ...], to logits, float32 [N, classes].
    """

    def __init__(
        self, file: FloatModel, ranges: Mapping[int, Range] | None = None, bits: Callable[[Operation], int] = lambda _: 8
    ) -> None:
        """Build the model.

        Args:
            file: the float file.
            ranges: minimum and maximum of each activation by tensor number; None to compute in floats.
            bits: of an operation's weights; `FLOAT` to leave them as they are.

        Raises:
            InputError: the file has an operator that cannot be trained.
        """
        self._file = file
        self.weighted: dict[int, WeightedOperator] = {}  # by the tensor number of their output
        self.quantizations: dict[int, FakeQuantization] = {}  # by the tensor number of the activation
        inputs = keras.Input(file.shape(file.input)[1:])
        values = {file.input: inputs if ranges is None else self._quantized(file.input, inputs, PIXEL_RANGE, learned=False)}
        for operation in file.operations:
            unit = 1.0 if ranges is None else max(map(abs, ranges[operation.output])) or 1.0  # 0 for an output that is always 0
            result = self._apply(
                operation, [values[index] for index in operation.inputs], FLOAT if ranges is None else bits(operation), unit
            )
            if ranges is not None and operation.kind == "AVERAGE_POOL_2D":
                result = self.quantizations[self._origin(operation.output)](result)
            elif ranges is not None and operation.kind not in KEEP_SCALE:
                fixed = KERNEL_RANGES.get(operation.kind)
                result = self._quantized(operation.output, result, fixed or ranges[operation.output], learned=fixed is None)
            values[operation.output] = result
        self.model = keras.Model(inputs, values[file.output], name="fake_quant")

    def inputs(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Images, uint8 [N, 28, 28], as inputs of the model."""
        return images.reshape(len(images), *self._file.shape(self._file.input)[1:]).astype(np.float32)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits, float32 [N, classes], of images, uint8 [N, 28, 28]."""
        logits: NDArray[np.float32] = self.model.predict(self.inputs(images), batch_size=500, verbose=0)
        return logits

    def constants(self) -> dict[int, NDArray[np.float32]]:
        """Trained weights, rounded to their steps, and biases, by tensor number."""
        constants: dict[int, NDArray[np.float32]] = {}
        for operation in self._file.operations:
            if layer := self.weighted.get(operation.output):
                trained = [values for values in (layer.quantized_kernel(), layer.bias) if values is not None]
                constants |= dict(zip(operation.constants, map(np.asarray, trained), strict=True))
        return constants

    @property
    def ranges(self) -> dict[int, Range]:
        """Minimum and maximum of each activation, by tensor number."""
        ranges = {index: layer.limits for index, layer in self.quantizations.items()}
        for operation in self._file.operations:
            if operation.kind in KEEP_SCALE:
                ranges[operation.output] = ranges[self._origin(operation.output)]
        return ranges

    def _quantized(self, index: int, x: Any, limits: Range, learned: bool) -> Any:
        layer = self.quantizations[index] = FakeQuantization(limits, learned=learned)
        return layer(x)

    def _origin(self, index: int) -> int:
        """The tensor that determines a tensor's quantisation: itself, or the input of the operators that keep it."""
        for operation in self._file.operations:
            if operation.output == index and operation.kind in KEEP_SCALE:
                return self._origin(operation.inputs[0])
        return index

    def _apply(self, operation: Operation, inputs: list[Any], bits: int, unit: float) -> Any:
        if operation.kind in WEIGHTED and len(inputs) == 1:
            constants = [self._file.constant(index) for index in operation.constants]
            layer = self.weighted[operation.output] = WeightedOperator(
                operation, constants, bits, unit, self.quantizations.get(self._origin(operation.inputs[0]))
            )
            return layer(inputs[0])
        if operation.kind not in _TRAINABLE:
            raise InputError(f"--qat cannot train operator {operation.kind}; convert without --qat, or replace the layer")
        return layers.Lambda(lambda values: apply_plain(operation, self._file, values))(inputs)


def _rounded(x: Any) -> Any:
    """Round to the nearest integer, half to even; the gradient is that of x."""
    return x + tf.stop_gradient(tf.round(x) - x)
