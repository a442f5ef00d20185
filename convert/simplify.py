"""Keras models made simpler without changing what they compute, so that the converter gives fewer operators and smaller files."""

import itertools
from typing import Any

import numpy as np

from train.backend import keras, tf

_WEIGHTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
_UNSCALED = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.ZeroPadding2D,
    keras.layers.Dropout,
)  # do the same at any scale


class _DilatedConvolution(keras.layers.Conv2D):  # type: ignore[misc]  # Keras has no types
    """A convolution with dilation as one operator.

    Keras' own is three, SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND around the convolution, and batch normalisation is not folded through them.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)


class _Reshaping(keras.layers.Layer):  # type: ignore[misc]
    """Flatten or Reshape as one operator. Keras' own asks for the size of the batch first: SHAPE, STRIDED_SLICE and PACK before RESHAPE."""

    def __init__(self, shape: tuple[int, ...], name: str) -> None:
        super().__init__(name=name)
        self._shape = shape

    def call(self, inputs: Any) -> Any:
        return tf.reshape(inputs, (-1, *self._shape))


def simplified(model: keras.Model) -> keras.Model:
    """A copy that computes the same and makes a smaller file.

    Its layers are called l0, l1...: the converter writes each layer's name into the file up to four times.
    """
    numbers = itertools.count()
    try:
        graph = keras.Model(model.inputs, model.outputs, name=model.name)  # without loss and metrics, which a clone would want too
    except (AttributeError, TypeError, ValueError):  # a subclassed model: nothing is known of its layers
        return model
    folded = _foldable_rescaling(graph)

    def copy(layer: Any) -> Any:
        name = f"l{next(numbers)}"
        return keras.layers.Identity(name=name) if layer in folded else _copied(layer, name)

    clone = keras.models.clone_model(graph, clone_function=copy)
    clone.set_weights(graph.get_weights())
    copies = dict(zip(graph.layers, clone.layers, strict=True))
    for rescaling, weighted in folded.items():
        for layer in weighted:
            kernel = copies[layer].weights[0]
            kernel.assign(kernel * rescaling.scale)
    return clone


def _copied(layer: Any, name: str) -> Any:
    """A layer that computes the same, by fewer operators where that can be."""
    kind = type(layer)
    if kind in (keras.layers.Flatten, keras.layers.Reshape) and None not in layer.output.shape[1:]:
        return _Reshaping(layer.output.shape[1:], name)
    if kind is keras.layers.Conv2D and max(layer.dilation_rate) > 1 and (layer.data_format, layer.groups) == ("channels_last", 1):
        kind = _DilatedConvolution
    return kind.from_config({**layer.get_config(), "name": name})


def _foldable_rescaling(graph: keras.Model) -> dict[Any, list[Any]]:
    """Layers that multiply by a number and can be taken into the weights after them, each with the layers that have those.

    The converter does so by itself between the input and a layer with weights, but not with a change of shape or padding beside it.
    """
    folded = {}
    for layer in graph.layers:
        if type(layer) is keras.layers.Rescaling and np.ndim(layer.scale) == 0 and np.all(layer.offset == 0):
            weighted, direct = _weighted_after(graph, layer)
            if weighted and not (direct and any(layer.input is tensor for tensor in graph.inputs)):
                folded[layer] = weighted
    return folded


def _weighted_after(graph: keras.Model, layer: Any) -> tuple[list[Any], bool]:
    """The layers with weights that take what a layer gives, and whether they do so directly; none if anything else takes it too."""
    found: list[Any] = []
    direct, waiting = True, [layer]
    while waiting:
        output = waiting.pop().output
        for consumer in graph.layers:
            if not any(tensor is output for tensor in keras.tree.flatten(consumer.input)):
                continue
            if type(consumer) in _WEIGHTED:
                found.append(consumer)
            elif type(consumer) in _UNSCALED:
                direct = False
                waiting.append(consumer)
            else:
                return [], False
        if any(tensor is output for tensor in graph.outputs):
            return [], False
    return found, direct
