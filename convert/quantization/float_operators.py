"""Operators of float TFLite files as TensorFlow functions of any float dtype."""

from collections.abc import Callable, Sequence
from typing import Any

from convert.flatbuffer.float_model import FloatModel, Operation
from train.backend import tf

_PADDING = {0: "SAME", 1: "VALID"}
_FUSED: dict[int, Callable[[Any], Any]] = {
    0: lambda x: x,
    1: tf.nn.relu,
    2: lambda x: tf.clip_by_value(x, -1, 1),
    3: tf.nn.relu6,
    4: tf.nn.tanh,
}


def apply_weights(operation: Operation, x: Any, kernel: Any, bias: Any = 0.0) -> Any:
    """Compute a convolution or a dense layer with its fused activation.

    Args:
        operation: CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED.
        x: floats [N, ...].
        kernel: floats in the file's layout: [out, h, w, in]; depthwise [1, h, w, out]; dense [out, in].
        bias: floats [out].
    """
    options = operation.options
    if operation.kind == "FULLY_CONNECTED":
        rows = tf.matmul(tf.reshape(x, (-1, kernel.shape[1])), kernel, transpose_b=True)
        x = tf.reshape(rows, (-1, *x.shape[1:-1], kernel.shape[0])) if options.keepNumDims else rows
    else:
        padding = _PADDING[options.padding]
        strides, dilations = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
        if operation.kind == "CONV_2D":
            x = tf.nn.conv2d(x, tf.transpose(kernel, (1, 2, 3, 0)), strides, padding, dilations=dilations)
        else:
            filters = tf.reshape(kernel, (*kernel.shape[1:3], x.shape[-1], options.depthMultiplier))
            x = tf.nn.depthwise_conv2d(x, filters, (1, *strides, 1), padding, dilations=dilations)
    return _FUSED[options.fusedActivationFunction](x + bias)


def apply_plain(operation: Operation, file: FloatModel, inputs: Sequence[Any]) -> Any:
    """Compute an operator of `PLAIN` on its inputs, floats [N, ...]."""
    return PLAIN[operation.kind](operation, file, *inputs)


def _mean(operation: Operation, file: FloatModel, x: Any) -> Any:
    return tf.reduce_mean(x, file.constant(operation.constants[0]).ravel(), operation.options.keepDims)


def _reshape(operation: Operation, file: FloatModel, x: Any) -> Any:
    return tf.reshape(x, (-1, *file.shape(operation.output)[1:]))


def _pool(operation: Operation, _file: FloatModel, x: Any) -> Any:
    options = operation.options
    pool = tf.nn.max_pool2d if operation.kind == "MAX_POOL_2D" else tf.nn.avg_pool2d
    size, strides = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
    return _FUSED[options.fusedActivationFunction](pool(x, size, strides, _PADDING[options.padding]))


def _with_constants(operation: Operation, file: FloatModel, inputs: Sequence[Any]) -> list[Any]:
    return [*inputs, *(tf.cast(file.constant(index), inputs[0].dtype) for index in operation.constants)]


def _elementwise(compute: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def apply(operation: Operation, file: FloatModel, *inputs: Any) -> Any:
        left, right = _with_constants(operation, file, inputs)
        return _FUSED[operation.options.fusedActivationFunction](compute(left, right))

    return apply


def _prelu(operation: Operation, file: FloatModel, *inputs: Any) -> Any:
    x, slope = _with_constants(operation, file, inputs)
    return tf.where(x < 0, x * slope, x)


PLAIN: dict[str, Callable[..., Any]] = {  # operators without weights
    "MEAN": _mean,
    "RESHAPE": _reshape,
    "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
    "ADD": _elementwise(lambda left, right: left + right),
    "MUL": _elementwise(lambda left, right: left * right),
    "PAD": lambda operation, file, x: tf.pad(x, file.constant(operation.constants[0])),
    "CONCATENATION": lambda operation, _file, *inputs: tf.concat(inputs, operation.options.axis),
    "RELU": lambda _operation, _file, x: tf.nn.relu(x),
    "RELU6": lambda _operation, _file, x: tf.nn.relu6(x),
    "LEAKY_RELU": lambda operation, _file, x: tf.nn.leaky_relu(x, operation.options.alpha),
    "PRELU": _prelu,
    "ELU": lambda _operation, _file, x: tf.nn.elu(x),
    "HARD_SWISH": lambda _operation, _file, x: x * tf.nn.relu6(x + 3) / 6,
    "TANH": lambda _operation, _file, x: tf.nn.tanh(x),
    "LOGISTIC": lambda _operation, _file, x: tf.nn.sigmoid(x),
    "GELU": lambda operation, _file, x: tf.nn.gelu(x, operation.options.approximate),
    "SOFTMAX": lambda operation, _file, x: tf.nn.softmax(x * operation.options.beta),
}
