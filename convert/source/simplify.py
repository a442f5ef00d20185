"""Simplify Keras models without changing their outputs, for fewer operators and smaller files.

Batch normalisation and scaling are folded into weights in float64 and rounded once. TensorFlow's converter folds them in float32 with the
instructions of the CPU that it runs on, which gives different weights on different CPUs.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.backend import keras, tf

_WEIGHTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
_UNSCALED = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.ZeroPadding2D,
    keras.layers.Dropout,
)  # commute with scaling

Floats = NDArray[np.float64]


class _DilatedConvolution(keras.layers.Conv2D):  # type: ignore[misc]  # Keras has no types
    """A dilated convolution as one operator; Keras' own becomes SPACE_TO_BATCH_ND, CONV_2D and BATCH_TO_SPACE_ND."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)


class _Reshaping(keras.layers.Layer):  # type: ignore[misc]
    """Flatten or Reshape as one operator; Keras' own becomes SHAPE, STRIDED_SLICE, PACK and RESHAPE, to find the batch size."""

    def __init__(self, shape: tuple[int, ...], name: str) -> None:
        super().__init__(name=name)
        self._shape = shape

    def call(self, inputs: Any) -> Any:
        return tf.reshape(inputs, (-1, *self._shape))


class _Affine(keras.layers.Layer):  # type: ignore[misc]
    """A batch normalisation that cannot be folded into the layer before it: multiply and add constants along one axis."""

    def __init__(self, normalization: Any, name: str) -> None:
        super().__init__(name=name)
        shape = [1] * len(normalization.output.shape)
        shape[normalization.axis] = -1
        factor, offset = _factor_and_offset(normalization)
        self._factor, self._offset = (values.astype(np.float32).reshape(shape) for values in (factor, offset))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        del training, mask
        return inputs * self._factor + self._offset


class _Identity(keras.layers.Layer):  # type: ignore[misc]
    """Replaces a layer that was folded into another one."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        del training, mask
        return inputs


@dataclass
class _Fold:
    """What is folded into a layer with weights: a factor of its inputs, and the batch normalisation of its outputs."""

    factor: float = 1.0
    normalization: Any = None


def simplify_model(model: keras.Model) -> keras.Model:
    """Copy a model with fewer operators and the same outputs; a subclassed model, whose graph is unknown, is returned unchanged.

    Layers are renamed l0, l1...: the converter writes each layer's name into the file up to four times.
    """
    try:
        graph = _fresh(model)
    except (AttributeError, TypeError, ValueError, NotImplementedError):
        return model
    numbers = itertools.count()
    folds, folded = _find_folds(graph)

    def copy(layer: Any) -> Any:
        name = f"l{next(numbers)}"
        return _Identity(name=name) if layer in folded else _copied(layer, name, folds.get(layer))

    clone = keras.models.clone_model(graph, clone_function=copy)
    for layer, copied in zip(graph.layers, clone.layers, strict=True):
        if layer in folds:
            copied.set_weights(_folded_weights(layer, folds[layer]))
        elif copied.weights and not isinstance(layer, keras.Model):  # a nested model has been simplified with its weights
            copied.set_weights(layer.get_weights())
    return clone


def _fresh(model: keras.Model) -> keras.Model:
    """A copy in which each layer has been called once; the layers of a wrapped model have been called twice."""
    graph = keras.Model(model.inputs, model.outputs, name=model.name)
    fresh = keras.models.clone_model(graph)
    fresh.set_weights(graph.get_weights())
    return fresh


def _copied(layer: Any, name: str, fold: _Fold | None) -> Any:
    """Copy a layer, by one with fewer operators if possible; with a bias if a normalisation is folded into it."""
    kind = type(layer)
    if isinstance(layer, keras.Model):
        return simplify_model(layer)
    if kind is keras.layers.BatchNormalization:
        return _Affine(layer, name)
    if kind in (keras.layers.Flatten, keras.layers.Reshape) and None not in layer.output.shape[1:]:
        return _Reshaping(layer.output.shape[1:], name)
    if kind is keras.layers.Conv2D and max(layer.dilation_rate) > 1 and (layer.data_format, layer.groups) == ("channels_last", 1):
        kind = _DilatedConvolution
    bias = {"use_bias": True} if fold and fold.normalization else {}
    return kind.from_config({**layer.get_config(), "name": name, **bias})


def _find_folds(graph: keras.Model) -> tuple[dict[Any, _Fold], set[Any]]:
    """What is folded into each layer with weights, and the layers that this removes."""
    folds: dict[Any, _Fold] = {}
    folded = set()
    for layer in graph.layers:
        if type(layer) is keras.layers.Rescaling and np.ndim(layer.scale) == 0 and np.all(layer.offset == 0):
            weighted = _weighted_after(graph, layer)
            for target in weighted:
                folds.setdefault(target, _Fold()).factor *= float(layer.scale)
            folded |= {layer} if weighted else set()
        elif type(layer) is keras.layers.BatchNormalization and (target := _weighted_before(graph, layer)):
            folds.setdefault(target, _Fold()).normalization = layer
            folded.add(layer)
    return folds, folded


def _weighted_after(graph: keras.Model, layer: Any) -> list[Any]:
    """The layers with weights that consume a layer's output; none if any other layer consumes it, too."""
    weighted: list[Any] = []
    waiting = [layer]
    while waiting:
        output = waiting.pop().output
        if _is_output(graph, output):
            return []
        for consumer in _consumers(graph, output):
            if not _is_used_once(consumer):
                return []
            if type(consumer) in _WEIGHTED:
                weighted.append(consumer)
            elif type(consumer) in _UNSCALED:
                waiting.append(consumer)
            else:
                return []
    return weighted


def _weighted_before(graph: keras.Model, normalization: Any) -> Any:
    """The layer with weights whose output only this normalisation consumes, channel by channel; None if there is none."""
    producer: Any = next((layer for layer in graph.layers if layer.output is normalization.input), None)
    if (
        type(producer) in _WEIGHTED
        and _is_used_once(producer)
        and _is_used_once(normalization)
        and producer.activation is keras.activations.linear
        and normalization.axis in (-1, len(normalization.output.shape) - 1)
        and getattr(producer, "data_format", "channels_last") == "channels_last"
        and len(list(_consumers(graph, producer.output))) == 1
        and not _is_output(graph, producer.output)
    ):
        return producer
    return None


def _consumers(graph: keras.Model, tensor: Any) -> Iterator[Any]:
    for layer in graph.layers:
        if any(given is tensor for node in layer._inbound_nodes for given in node.input_tensors):
            yield layer


def _is_used_once(layer: Any) -> bool:
    return len(layer._inbound_nodes) == 1


def _is_output(graph: keras.Model, tensor: Any) -> bool:
    return any(tensor is output for output in graph.outputs)


def _folded_weights(layer: Any, fold: _Fold) -> list[NDArray[np.float32]]:
    """Kernel and bias with everything folded in: float32, each value rounded once."""
    kernel = _exact(layer.kernel) * fold.factor
    bias = [_exact(layer.bias)] if layer.use_bias else []
    if fold.normalization is not None:
        factor, offset = _factor_and_offset(fold.normalization)
        # A depthwise kernel is [h, w, in, multiplier]; the last two axes are the output's channels.
        channels = kernel.shape[2:] if type(layer) is keras.layers.DepthwiseConv2D else kernel.shape[-1:]
        kernel, bias = kernel * factor.reshape(channels), [sum(bias) * factor + offset]
    return [values.astype(np.float32) for values in (kernel, *bias)]


def _factor_and_offset(normalization: Any) -> tuple[Floats, Floats]:
    """Factor and offset of batch normalisation at inference: float64 [channels] each."""
    mean, variance = _exact(normalization.moving_mean), _exact(normalization.moving_variance)
    gamma = _exact(normalization.gamma) if normalization.scale else np.ones_like(mean)
    beta = _exact(normalization.beta) if normalization.center else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + normalization.epsilon)
    return factor, beta - mean * factor


def _exact(variable: Any) -> Floats:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
