"""The Keras models: pixel values from 0 to 255 in, logits out, normalisation inside.

Inputs are shaped so that no operation is wasted once a model is converted: dense models take 784 numbers, the convolutional one 28x28x1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.pixels import SIDE
from train.backend import keras, layers
from train.config import Convolution, TrainingConfig


def build(config: TrainingConfig, classes: int = 10) -> keras.Model:
    """Build the model that `config` describes, with fresh weights.

    Returns:
        From float32 [N, 784] or [N, 28, 28, 1] (pixel values 0 to 255) to float32 [N, classes] logits.
    """
    if config.model == "cnn":
        return _cnn(config.convolutions, classes)
    if config.model == "tutorial":
        return _tutorial(classes)
    hidden = config.hidden if config.model == "mlp" else ()
    return _dense(hidden, config.activation, classes, config.model)


def model_input(images: NDArray[np.uint8], input_shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    """Images as a model takes them.

    Args:
        images: uint8 [N, 28, 28].
        input_shape: of the model, with None for the batch: [None, 784], [None, 28, 28] or [None, 28, 28, 1].
    """
    shape = [int(length or 0) for length in input_shape[1:]]
    return images.reshape(len(images), *shape).astype(np.float32)


def predict_logits(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits of the Keras model: float32 [N, classes] of uint8 [N, 28, 28]."""
    inputs = model_input(images, model.input_shape)
    logits: NDArray[np.float32] = model.predict(inputs, batch_size=500, verbose=0)
    return logits


def _dense(hidden: tuple[int, ...], activation: str, classes: int, name: str) -> keras.Model:
    inputs = keras.Input((SIDE * SIDE,), name="pixels")
    x = layers.Rescaling(1 / 255)(inputs)
    for units in hidden:
        x = layers.Dense(units, activation=activation)(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)


def _cnn(convolutions: tuple[Convolution, ...], classes: int) -> keras.Model:
    inputs = keras.Input((SIDE, SIDE, 1), name="pixels")
    x: Any = layers.Rescaling(1 / 255)(inputs)
    for convolution in convolutions:
        # No bias before batch normalisation, which brings its own; the converter folds both into the convolution.
        x = _convolution(convolution)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="cnn")


def _convolution(convolution: Convolution) -> keras.layers.Layer:
    padding = "valid" if convolution.valid else "same"
    if convolution.filters:
        return layers.Conv2D(convolution.filters, convolution.kernel, convolution.stride, padding, use_bias=False)
    return layers.DepthwiseConv2D(convolution.kernel, convolution.stride, padding, use_bias=False)


def _tutorial(classes: int) -> keras.Model:
    """The network of TensorFlow's tutorial "Post-training integer quantization", with pixels scaled inside."""
    inputs = keras.Input((SIDE, SIDE), name="pixels")
    x: Any = layers.Rescaling(1 / 255)(inputs)
    x = layers.Reshape((SIDE, SIDE, 1))(x)
    x = layers.Conv2D(12, 3, activation="relu")(x)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="tutorial")
