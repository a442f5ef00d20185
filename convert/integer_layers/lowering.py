"""From operators to layers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convert.integer_layers.layers import SHIFT, Layer, Size, Steps, Volume, Window
from convert.integer_layers.operators import Operator, OperatorList, Tensor
from convert.integer_layers.rescaling import Rescaling, convolution_rescaling, dense_rescaling, mean_rescaling
from convert.integer_layers.unfold import unfold
from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import ModelFileError

Rounding = Literal["litert", "tflm"]
Rescale = Callable[[np.float32, np.float32, np.float32, int], Rescaling]

_SAME = 0
_NO_ACTIVATION, _RELU, _RELU_N1_TO_1, _RELU6 = range(4)


def make_layers(graph: OperatorList, rounding: Rounding = "litert") -> tuple[Layer, ...]:
    """The layers of a graph that is a chain of operators. RESHAPE moves no byte, so it is none.

    Args:
        graph: the operators.
        rounding: "litert" for the roundings of LiteRT's reference kernels, "tflm" for those of TFLite Micro's.

    Raises:
        ModelFileError: the graph is no chain, its input is not pixels as they are, or it uses types, shapes or options that C code is
            not written for.
    """
    layers: list[Layer] = []
    makers = {**_MAKERS, **_MICRO_MAKERS} if rounding == "tflm" else _MAKERS
    current = graph.input
    for place, operator in enumerate(graph.operators):
        if operator.input != current:
            raise ModelFileError(f"{operator} is not applied to the output of the operator before it; C code is written for chains")
        if operator.place == 1:
            _check_pixels(operator.source)
        _check_activations(operator)
        if operator.kind != "RESHAPE":
            layer = makers[operator.kind](operator)
            layers.append(_unfolded(layer, graph.operators[max(place - 1, 0) : place], graph.operators[place + 1 : place + 2]))
        current = operator.output
    if current != graph.output or not layers:
        raise ModelFileError("its output is not that of its last operator; C code is written for chains")
    return tuple(layers)


def _unfolded(layer: Layer, before: Sequence[Operator], after: Sequence[Operator]) -> Layer:
    """A convolution between two changes of shape, before columns were folded into channels (`convert.flatbuffer.space_to_depth`)."""
    shapes = [*(operator.source.shape for operator in before), *(operator.result.shape for operator in after)]
    if layer.kind != "convolution" or [operator.kind for operator in (*before, *after)] != ["RESHAPE", "RESHAPE"]:
        return layer
    source, result = shapes
    if len(source) != 4 or len(result) != 4 or source[1] != layer.window.source[0] or result[1] != layer.window.result[0]:
        return layer
    return unfold(layer, source[2], result[3])


def _check_pixels(tensor: Tensor) -> None:
    if tensor.dtype != "int8" or _scale(tensor) != 1 or _zero_point(tensor) != -SHIFT:
        raise ModelFileError(
            f"takes {tensor.dtype} pixels with scale {float(_scale(tensor)):g} and zero point {_zero_point(tensor)}, expected int8, "
            f"1 and -128 as digits convert makes them with --recipe int8 or int4"
        )
    if int(np.prod(tensor.shape)) != SIDE * SIDE:
        raise ModelFileError(f"has an input of shape {list(tensor.shape)}, expected 1 image of 784 numbers")


def _check_activations(operator: Operator) -> None:
    for tensor in (operator.source, operator.result):
        if tensor.dtype != "int8" or len(tensor.scales) != 1 or not np.isfinite(tensor.scales[0]) or tensor.scales[0] <= 0:
            raise ModelFileError(
                f"{operator} has {tensor.dtype} activations with {len(tensor.scales)} scales, expected int8 with one"
            )
        if not -SHIFT <= _zero_point(tensor) < SHIFT or tensor.constant is not None or tensor.shape[:1] != (1,):
            raise ModelFileError(
                f"{operator} has an input or output of shape {list(tensor.shape)} that is not an image's activations"
            )
        if min(tensor.shape) < 1 or max(tensor.shape) >= 2**16:
            raise ModelFileError(
                f"{operator} has an input or output of shape {list(tensor.shape)}, expected 1 to 65,535 in each dimension"
            )


def _scale(tensor: Tensor) -> np.float32:
    return np.float32(tensor.scales[0]) if len(tensor.scales) else np.float32(0)


def _zero_point(tensor: Tensor) -> int:
    return int(tensor.zero_points[0]) if len(tensor.zero_points) else 0


def _volume(operator: Operator, tensor: Tensor) -> Volume:
    if len(tensor.shape) != 4:
        raise ModelFileError(
            f"{operator} has an input or output of shape {list(tensor.shape)}, expected [1, height, width, channels]"
        )
    _, height, width, channels = tensor.shape
    return height, width, channels


def _window(operator: Operator, kernel: Size, stride: Size, dilation: Size = (1, 1)) -> Window:
    source, result = _volume(operator, operator.source), _volume(operator, operator.result)
    if min(*kernel, *stride, *dilation) < 1 or max(*kernel, *stride, *dilation) >= 2**16:
        raise ModelFileError(f"{operator} has a kernel of {kernel}, strides {stride} and dilations {dilation}")
    extents = [(length - 1) * step + 1 for length, step in zip(kernel, dilation, strict=True)]
    padding = []
    for axis in range(2):
        needed = (result[axis] - 1) * stride[axis] + extents[axis] - source[axis]
        same = operator.options["padding"] == _SAME
        expected = -(-source[axis] // stride[axis]) if same else -((extents[axis] - 1 - source[axis]) // stride[axis])
        if result[axis] != expected:
            raise ModelFileError(f"{operator} has an output of shape {list(result)} that its input of {list(source)} does not give")
        padding.append(max(needed, 0) // 2 if same else 0)
    return Window(source, result, kernel, stride, dilation, (padding[0], padding[1]))


def _steps(operator: Operator) -> Steps:
    """Zeros and limits of a layer."""
    scale, zero = _scale(operator.result), _zero_point(operator.result)

    def rounded(value: float) -> int:
        exact = np.float32(value) / scale
        return zero + int(np.sign(exact) * np.floor(np.abs(np.float64(exact)) + 0.5))

    ranges = {
        _NO_ACTIVATION: (-SHIFT, SHIFT - 1),
        _RELU: (zero, SHIFT - 1),
        _RELU_N1_TO_1: (rounded(-1), rounded(1)),
        _RELU6: (zero, rounded(6)),
    }
    activation = operator.options.get("activation", _NO_ACTIVATION)
    if activation not in ranges:
        raise ModelFileError(
            f"{operator} has fused activation {activation}, which cannot be written as C; none, RELU and RELU6 can"
        )
    low, high = ranges[activation]
    return Steps(_zero_point(operator.source) + SHIFT, zero + SHIFT, max(low, -SHIFT) + SHIFT, min(high, SHIFT - 1) + SHIFT)


def _weights(operator: Operator, channels: int, axis: int, dimensions: int) -> tuple[NDArray[np.int8], NDArray[np.float32], int]:
    """Weights, a scale for each output channel, and bits of a weight."""
    tensor = operator.required(1)
    if tensor.dtype not in ("int8", "int4") or tensor.constant is None or np.any(tensor.zero_points):
        raise ModelFileError(f"{operator} has {tensor.dtype} weights, expected constants of int8 or int4 with zero point 0")
    per_channel = len(tensor.scales) == channels and (channels == 1 or tensor.channel_axis == axis)
    if len(tensor.shape) != dimensions or tensor.shape[axis] != channels or not (len(tensor.scales) == 1 or per_channel):
        raise ModelFileError(f"{operator} has weights of shape {list(tensor.shape)} with {len(tensor.scales)} scales")
    if not np.all(np.isfinite(tensor.scales)) or np.any(tensor.scales < 0):
        raise ModelFileError(f"{operator} has a weight scale that is negative or not finite")
    return tensor.constant, np.broadcast_to(tensor.scales, channels), 4 if tensor.dtype == "int4" else 8


def _biases(operator: Operator, channels: int) -> NDArray[np.int64]:
    tensor = operator.inputs[2] if len(operator.inputs) > 2 else None
    if tensor is None:
        return np.zeros(channels, np.int64)
    if tensor.dtype != "int32" or tensor.constant is None or tensor.constant.size != channels:
        raise ModelFileError(
            f"{operator} has {tensor.dtype} biases of shape {list(tensor.shape)}, expected {channels} int32 constants"
        )
    return tensor.constant.reshape(channels).astype(np.int64)


def _largest_sums(weights: NDArray[np.int8], biases: NDArray[np.int64], source_zero: int) -> list[int]:
    """The largest magnitude that a sum can have, for each output channel. weights: [out, ...]."""
    furthest = max(source_zero, 255 - source_zero)
    magnitudes = np.abs(weights.reshape(len(weights), -1).astype(np.int64)).sum(axis=1)
    return [int(total) for total in magnitudes * furthest + np.abs(biases)]


def _convolution(operator: Operator) -> Layer:
    options, steps = operator.options, _steps(operator)
    _, _, channels = _volume(operator, operator.result)
    weights, scales, bits = _weights(operator, channels, 0, 4)
    strides, dilations = (options["stride_h"], options["stride_w"]), (options["dilation_h"], options["dilation_w"])
    window = _window(operator, (weights.shape[1], weights.shape[2]), strides, dilations)
    if weights.shape[3] != window.source[2]:
        raise ModelFileError(f"{operator} is a convolution in groups, which cannot be written as C")
    biases = _biases(operator, channels)
    largest = _largest_sums(weights, biases, steps.source_zero)
    rescalings = tuple(
        convolution_rescaling(_scale(operator.source), scale, _scale(operator.result), bound)
        for scale, bound in zip(scales, largest, strict=True)
    )
    return Layer("convolution", window, steps, weights, bits, biases, rescalings)


def _depthwise(operator: Operator) -> Layer:
    options, steps = operator.options, _steps(operator)
    _, _, channels = _volume(operator, operator.result)
    weights, scales, bits = _weights(operator, channels, 3, 4)
    strides, dilations = (options["stride_h"], options["stride_w"]), (options["dilation_h"], options["dilation_w"])
    window = _window(operator, (weights.shape[1], weights.shape[2]), strides, dilations)
    if weights.shape[0] != 1 or channels % window.source[2]:
        raise ModelFileError(f"{operator} has weights of shape {list(weights.shape)} for {window.source[2]} channels")
    biases = _biases(operator, channels)
    largest = _largest_sums(np.moveaxis(weights[0], 2, 0), biases, steps.source_zero)
    rescalings = tuple(
        convolution_rescaling(_scale(operator.source), scale, _scale(operator.result), bound)
        for scale, bound in zip(scales, largest, strict=True)
    )
    return Layer("depthwise", window, steps, weights[0], bits, biases, rescalings)


def _dense(operator: Operator, rescaling: Rescale = dense_rescaling) -> Layer:
    steps = _steps(operator)
    inputs, channels = int(np.prod(operator.source.shape)), operator.result.shape[-1]
    weights, scales, bits = _weights(operator, channels, 0, 2)
    if weights.shape[1] != inputs or int(np.prod(operator.result.shape)) != channels or operator.options["weights_format"]:
        raise ModelFileError(f"{operator} has weights of shape {list(weights.shape)} for {inputs} inputs")
    biases = _biases(operator, channels)
    largest = _largest_sums(weights, biases, steps.source_zero)
    rescalings = tuple(
        rescaling(_scale(operator.source), scale, _scale(operator.result), bound)
        for scale, bound in zip(scales, largest, strict=True)
    )
    window = Window((1, 1, inputs), (1, 1, channels))
    kernels = weights.reshape(channels, 1, 1, inputs)
    return Layer("convolution", window, steps, kernels, bits, biases, rescalings)


def _mean(operator: Operator) -> Layer:
    height, width, channels = source = _volume(operator, operator.source)
    axes = operator.required(1).constant
    if axes is None or sorted(int(axis) % 4 for axis in axes.ravel()) != [1, 2]:
        raise ModelFileError(f"{operator} is not a mean over height and width")
    if int(np.prod(operator.result.shape)) != channels:
        raise ModelFileError(f"{operator} has an output of shape {list(operator.result.shape)} for {channels} channels")
    count = height * width
    rescaling = mean_rescaling(_scale(operator.source), _scale(operator.result), count, 255 * count)
    return Layer("mean", Window(source, (1, 1, channels), (height, width)), _steps(operator), rescalings=(rescaling,))


def _pool(operator: Operator) -> Layer:
    options = operator.options
    window = _window(operator, (options["filter_h"], options["filter_w"]), (options["stride_h"], options["stride_w"]))
    source, result = operator.source, operator.result
    if window.source[2] != window.result[2] or (_scale(source), _zero_point(source)) != (_scale(result), _zero_point(result)):
        raise ModelFileError(f"{operator} has an output of another scale or another number of channels than its input")
    return Layer("max_pool" if operator.kind == "MAX_POOL_2D" else "average_pool", window, _steps(operator))


_MAKERS: Mapping[str, Callable[[Operator], Layer]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "MEAN": _mean,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
}
_MICRO_MAKERS: Mapping[str, Callable[[Operator], Layer]] = {"FULLY_CONNECTED": partial(_dense, rescaling=convolution_rescaling)}
