"""Small Keras models that between them need the operators that digit classifiers are made of, alone or few at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from train.backend import keras, layers

Body = Callable[[Any], Any]
ops = keras.ops
_SEED = 0
_ACTIVATIONS = [
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "tanh",
    "sigmoid",
    "hard_sigmoid",
    "hard_swish",
    "silu",
    "softplus",
    "softsign",
    "softmax",
    "exponential",
    "mish",
    "log_softmax",
]


def _after_convolution(*parts: Any) -> Body:
    """What layers do to 13x13x4 activations."""

    def body(x: Any) -> Any:
        x = layers.Conv2D(4, 3, strides=2)(x)
        for part in parts:
            x = part(x)
        return x

    return body


def _after_dense(*parts: Any) -> Body:
    """What layers do to 12 numbers."""

    def body(x: Any) -> Any:
        x = layers.Dense(12)(layers.Flatten()(x))
        for part in parts:
            x = part(x)
        return x

    return body


def _joined(layer: Any, *, other: int = 4) -> Body:
    """Two convolutions of the same size, brought together by a layer."""
    return lambda x: layer([layers.Conv2D(4, 3, strides=2)(x), layers.Conv2D(other, 3, strides=2)(x)])


def _attention(x: Any) -> Any:
    x = layers.Reshape((28, 28))(x)
    return layers.MultiHeadAttention(2, 8)(x, x)


def _gated(x: Any) -> Any:
    """Squeeze and excitation: each channel multiplied by a number of its own, made from their means."""
    x = layers.Conv2D(4, 3, strides=2)(x)
    gate = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, gate])


def _by_rows(*parts: Any) -> Body:
    """What layers do to the 28 rows as a sequence."""

    def body(x: Any) -> Any:
        x = layers.Reshape((28, 28))(x)
        for part in parts:
            x = part(x)
        return x

    return body


def _bodies() -> dict[str, Body]:
    """By name: from [N, 28, 28, 1], 0 to 1, to activations of any rank."""
    bodies: dict[str, Body] = {
        "conv": _after_convolution(),
        "conv_same": layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        "conv_no_bias": layers.Conv2D(4, 5, use_bias=False),
        "conv_dilated": layers.Conv2D(4, 3, dilation_rate=2),
        "conv_dilated_norm": lambda x: layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, dilation_rate=2)(x))),
        "conv_norm_relu": _after_convolution(layers.BatchNormalization(), layers.ReLU()),
        "conv_grouped": _after_convolution(layers.Conv2D(8, 3, groups=2)),
        "conv_1x1": _after_convolution(layers.Conv2D(8, 1)),
        "conv_1d": _by_rows(layers.Conv1D(8, 3)),
        "conv_1d_strided": _by_rows(layers.Conv1D(8, 3, strides=2, activation="relu")),
        "conv_1d_causal": _by_rows(layers.Conv1D(8, 3, padding="causal", dilation_rate=2)),
        "conv_transposed": _after_convolution(layers.Conv2DTranspose(4, 3, strides=2)),
        "conv_transposed_same": _after_convolution(layers.Conv2DTranspose(4, 3, strides=2, padding="same", use_bias=False)),
        "depthwise": _after_convolution(layers.DepthwiseConv2D(3)),
        "depthwise_multiplied": _after_convolution(layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")),
        "depthwise_dilated": _after_convolution(layers.DepthwiseConv2D(3, dilation_rate=2)),
        "depthwise_first": layers.DepthwiseConv2D(3, strides=2, depth_multiplier=4),
        "separable": _after_convolution(layers.SeparableConv2D(6, 3)),
        # The dynamic recipe leaves layers of fewer than 1,024 weights as they are, with the version that larger ones of their kind need.
        "conv_large": layers.Conv2D(64, 5, strides=3),
        "conv_small_and_large": _after_convolution(layers.Conv2D(32, 3)),
        "conv_dilated_large": _after_convolution(layers.Conv2D(32, 3, dilation_rate=2)),
        "conv_grouped_large": _after_convolution(layers.Conv2D(64, 3), layers.Conv2D(32, 3, groups=2)),
        "conv_1d_large": _by_rows(layers.Conv1D(16, 3)),
        "conv_transposed_large": _after_convolution(layers.Conv2DTranspose(32, 3, strides=2)),
        "depthwise_large": _after_convolution(layers.Conv2D(128, 1), layers.DepthwiseConv2D(3)),
        "depthwise_small_and_large": _after_convolution(
            layers.DepthwiseConv2D(3), layers.Conv2D(128, 1), layers.DepthwiseConv2D(3, strides=2)
        ),
        "depthwise_dilated_large": _after_convolution(layers.Conv2D(128, 1), layers.DepthwiseConv2D(3, dilation_rate=2)),
        "einsum_large": _by_rows(layers.EinsumDense("abc,cd->abd", (28, 48), bias_axes="d")),
        "dense_on_rows_large": _by_rows(layers.Dense(48)),
        "dense_large_twice": _after_dense(layers.ReLU(), layers.Dense(100), layers.ReLU(), layers.Dense(20)),
        "dense_large_no_bias": _after_dense(layers.ReLU(), layers.Dense(100, use_bias=False)),
        "dense_only": layers.Flatten(),
        "dense": _after_dense(),
        "dense_relu": _after_dense(layers.ReLU(), layers.Dense(16, activation="relu")),
        "dense_no_bias": lambda x: layers.Dense(12, use_bias=False)(layers.Flatten()(x)),
        "dense_norm": _after_dense(layers.BatchNormalization(), layers.ReLU()),
        "dense_norm_after": _after_dense(layers.ReLU(), layers.BatchNormalization(), layers.Activation("tanh")),
        "dense_on_channels": _after_convolution(layers.Dense(6)),
        "dense_on_rows": _by_rows(layers.Dense(8)),
        "einsum_on_rows": _by_rows(layers.EinsumDense("abc,cd->abd", (28, 8), bias_axes="d")),
        "einsum_no_bias": _by_rows(layers.EinsumDense("abc,cd->abd", (28, 8))),
        "product": _by_rows(lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1)))),
        "max_pool": _after_convolution(layers.MaxPooling2D()),
        "max_pool_same": _after_convolution(layers.MaxPooling2D(3, strides=2, padding="same")),
        "average_pool": _after_convolution(layers.AveragePooling2D(2)),
        "pool_1d": _by_rows(layers.Conv1D(8, 3), layers.MaxPooling1D(2), layers.AveragePooling1D(2)),
        "global_max": _after_convolution(layers.GlobalMaxPooling2D()),
        "global_average_kept": _after_convolution(layers.GlobalAveragePooling2D(keepdims=True), layers.Flatten()),
        "global_1d": _by_rows(layers.Conv1D(8, 3), layers.GlobalAveragePooling1D()),
        "padding": _after_convolution(layers.ZeroPadding2D(2), layers.MaxPooling2D()),
        "padding_first": lambda x: layers.Conv2D(4, 5, strides=2)(layers.ZeroPadding2D(2)(x)),
        "mirrored_padding": _after_convolution(lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "reflect")),
        "cropping": _after_convolution(layers.Cropping2D(1)),
        "cropping_first": lambda x: layers.Conv2D(4, 3, strides=2)(layers.Cropping2D(2)(x)),
        "upsampling": _after_convolution(layers.UpSampling2D(2)),
        "upsampling_bilinear": _after_convolution(layers.UpSampling2D(2, interpolation="bilinear")),
        "resizing": lambda x: layers.Conv2D(4, 3)(layers.Resizing(14, 14)(x)),
        "flatten": _after_convolution(layers.Flatten()),
        "reshape": _after_convolution(layers.Reshape((169, 4)), layers.GlobalAveragePooling1D()),
        "permute": _after_convolution(layers.Permute((3, 1, 2)), layers.Flatten()),
        "add": _joined(layers.Add()),
        "subtract": _joined(layers.Subtract()),
        "multiply": _joined(layers.Multiply()),
        "average": _joined(layers.Average()),
        "maximum": _joined(layers.Maximum()),
        "minimum": _joined(layers.Minimum()),
        "concatenate": _joined(layers.Concatenate(), other=6),
        "residual": lambda x: layers.ReLU()(_joined(layers.Add())(x)),
        "gated": _gated,
        "norm_after_pool": _after_convolution(layers.ReLU(), layers.MaxPooling2D(), layers.BatchNormalization()),
        "norm_first": lambda x: layers.Conv2D(4, 3, strides=2, padding="same")(layers.BatchNormalization()(x)),
        "norm_of_layer": _after_dense(layers.LayerNormalization()),
        "norm_of_group": _after_convolution(layers.GroupNormalization(2)),
        "norm_of_length": _after_dense(layers.UnitNormalization()),
        "constant_scale": _after_convolution(layers.Rescaling(2.0, offset=0.5), layers.ReLU()),
        "normalization": lambda x: layers.Conv2D(4, 3, strides=2)(layers.Normalization(mean=0.13, variance=0.09)(x)),
        "prelu": _after_convolution(layers.PReLU(shared_axes=(1, 2))),
        "relu_to_1": _after_convolution(layers.ReLU(max_value=1.0)),
        "relu_from": _after_convolution(layers.ReLU(threshold=0.3)),
        "squares": _after_convolution(ops.square),
        "roots": _after_convolution(layers.ReLU(), lambda x: ops.sqrt(x + 1.0)),
        "absolutes": _after_convolution(ops.absolute),
        "sums": _after_convolution(lambda x: ops.sum(x, axis=(1, 2))),
        "split": _after_convolution(lambda x: ops.concatenate(ops.split(x, 2, axis=-1)[::-1], -1)),
        "attention": _attention,
    }
    bodies |= {f"{name}_of_convolution": _after_convolution(layers.Activation(name)) for name in _ACTIVATIONS}
    bodies["softmax_of_dense"] = _after_dense(layers.Activation("softmax"))
    return bodies


def models() -> Iterator[tuple[str, keras.Model]]:
    """Each model with its name: from float32 [N, 28, 28, 1], 0 to 255, to float32 [N, 10]. The same weights each time."""
    for name, body in _bodies().items():
        keras.utils.set_random_seed(_SEED)
        inputs = keras.Input((28, 28, 1), name="pixels")
        x = body(layers.Rescaling(1 / 255)(inputs))
        if len(x.shape) == 4:
            x = layers.GlobalAveragePooling2D()(x)
        elif len(x.shape) == 3:
            x = layers.Flatten()(x)
        model = keras.Model(inputs, layers.Dense(10)(x), name=name)
        _scatter(model)
        yield name, model


def _scatter(model: keras.Model) -> None:
    """Values for what Keras begins with zeros and ones, so that the converter has nothing to leave out."""
    generator = np.random.RandomState(_SEED)
    for weight in model.weights:
        values = np.asarray(weight)
        if weight.name in ("gamma", "moving_variance", "scale"):
            weight.assign(generator.uniform(0.5, 1.5, values.shape))
        elif values.ndim < 2 or not values.any():
            weight.assign(generator.uniform(-0.3, 0.3, values.shape))
