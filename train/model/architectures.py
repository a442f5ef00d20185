"""The Keras models: pixel values from 0 to 255 in, logits out, normalisation inside.

Input shapes avoid a reshape in the converted model: dense models take 784 numbers, convolutional ones 28x28x1.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import SIDE
from train.backend import keras, layers
from train.config.training_config import Convolution, TrainingConfig

Initializers = Iterator[keras.initializers.Initializer]
_MAX_LAYERS = 65  # those that a config allows, and the last one


def build(config: TrainingConfig, classes: int = 10) -> keras.Model:
    """Build the model of `config`, with initial weights from its seed.

    Returns:
        From float32 [N, 784] or [N, 28, 28, 1] (pixel values 0 to 255) to float32 [N, classes] logits.
    """
    weights = _initializers(config.seed)
    if config.model == "cnn":
        return _cnn(config.convolutions, classes, weights, dense=False)
    if config.model == "tutorial":
        return _tutorial(classes, weights)
    hidden = config.hidden if config.model == "mlp" else ()
    return _dense(hidden, config.activation, classes, config.model, weights)


def build_atrous(config: TrainingConfig, classes: int, trained: keras.Model) -> keras.Model:
    """Rebuild a trained cnn with dilation instead of strides, and the same weights.

    Layers after a stride are dilated by it. At multiples of all strides, the feature maps equal those of the trained model.

    Args:
        config: a config with `atrous`.
        classes: number of outputs.
        trained: the model from `build`, trained.
    """
    model = _cnn(config.convolutions, classes, _initializers(config.seed), dense=True)
    model.set_weights(trained.get_weights())
    return model


def model_input(images: NDArray[np.uint8], input_shape: tuple[int | None, ...]) -> NDArray[np.float32]:
    """Images as float32 in a model's input shape.

    Args:
        images: uint8 [N, 28, 28].
        input_shape: input shape of the model, with None for the batch: [None, 784], [None, 28, 28] or [None, 28, 28, 1].
    """
    shape = [int(length or 0) for length in input_shape[1:]]
    return images.reshape(len(images), *shape).astype(np.float32)


def predict_logits(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits of the Keras model: float32 [N, classes] of uint8 [N, 28, 28]."""
    inputs = model_input(images, model.input_shape)
    logits: NDArray[np.float32] = model.predict(inputs, batch_size=500, verbose=0)
    return logits


def _initializers(seed: int) -> Initializers:
    """Keras' default initialiser for each layer, with its own seed.

    Keras would draw the seeds from Python's global generator, which other threads of a worker use too.
    """
    return (keras.initializers.GlorotUniform(int(word)) for word in np.random.SeedSequence(seed).generate_state(_MAX_LAYERS))


def _dense(hidden: tuple[int, ...], activation: str, classes: int, name: str, weights: Initializers) -> keras.Model:
    inputs = keras.Input((SIDE * SIDE,), name="pixels")
    x = layers.Rescaling(1 / 255)(inputs)
    for units in hidden:
        x = layers.Dense(units, activation=activation, kernel_initializer=next(weights))(x)
    return keras.Model(inputs, _logits(classes, weights)(x), name=name)


def _logits(classes: int, weights: Initializers) -> keras.layers.Layer:
    return layers.Dense(classes, kernel_initializer=next(weights), name="logits")


def _cnn(convolutions: tuple[Convolution, ...], classes: int, weights: Initializers, *, dense: bool) -> keras.Model:
    inputs = keras.Input((SIDE, SIDE, 1), name="pixels")
    x: Any = layers.Rescaling(1 / 255)(inputs)
    dilation = 1
    for convolution in convolutions:
        # No bias before batch normalisation, which has its own; the converter folds both into the convolution.
        layer = replace(convolution, stride=1) if dense else convolution
        x = _convolution(layer, next(weights), dilation)(x)
        dilation *= convolution.stride // layer.stride
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, _logits(classes, weights)(x), name="cnn")


def _convolution(convolution: Convolution, weights: keras.initializers.Initializer, dilation: int) -> keras.layers.Layer:
    shape = (convolution.kernel, convolution.stride, "valid" if convolution.valid else "same")
    if convolution.filters:
        return layers.Conv2D(convolution.filters, *shape, dilation_rate=dilation, kernel_initializer=weights, use_bias=False)
    return layers.DepthwiseConv2D(*shape, dilation_rate=dilation, depthwise_initializer=weights, use_bias=False)


def _tutorial(classes: int, weights: Initializers) -> keras.Model:
    """The network of TensorFlow's tutorial "Post-training integer quantization", with pixels scaled inside."""
    inputs = keras.Input((SIDE, SIDE), name="pixels")
    x: Any = layers.Rescaling(1 / 255)(inputs)
    x = layers.Reshape((SIDE, SIDE, 1))(x)
    x = layers.Conv2D(12, 3, activation="relu", kernel_initializer=next(weights))(x)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    return keras.Model(inputs, _logits(classes, weights)(x), name="tutorial")
