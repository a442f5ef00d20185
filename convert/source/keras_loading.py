"""Load a Keras model and adapt it to take pixel values from 0 to 255 and to output logits."""

import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import BadArgument, InputError, ModelFileError
from edge_runtime.inference.interpreter import one_line
from edge_runtime.model.graph import FILE_IDENTIFIER
from train.backend import keras, layers
from train.data import Split
from train.model.architectures import predict_logits

SCALES = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
_SHAPES = ((None, SIDE * SIDE), (None, SIDE, SIDE), (None, SIDE, SIDE, 1))
_PADDED = 32  # the side of digits with a border of background, as LeNet-5 takes them
_ADAPTED = (
    *((None, _PADDED, _PADDED, channels) for channels in (1, 3)),
    (None, _PADDED, _PADDED),
    (None, _PADDED * _PADDED),
    (None, SIDE, SIDE, 3),
)
"""Input shapes that get the pixels in a border of background, or the grey level in each colour channel."""
OWN_SCALE = "0..255"
"""The scale of models that `digits train` made, and of converted files."""
_CLEARLY_BETTER = 20  # points of accuracy by which another input scale must win to be suggested
_STANDARD_ERRORS = 4  # by which the mean loss with an input scale must be lower than with one that is like it
_TRAINED = 0.5  # maximum loss of a trained model, as a fraction of that of equal probabilities
_ALIKE = 0.05  # relative difference of losses below which the range does not matter
_AS_RIGHT = 0.01  # by which its accuracy may be lower than with pixels from 0 to 255


def load_keras(path: Path, code: Path | None = None) -> tuple[bytes, keras.Model]:
    """Load a .keras file: its content and the model in it.

    Args:
        path: the file.
        code: Python file that defines the custom layers and models. It is executed.

    Raises:
        ModelFileError: the file is not a readable Keras model.
        InputError: the code fails.
    """
    try:
        content = path.read_bytes()
        if content[4:8] == FILE_IDENTIFIER:
            raise ModelFileError(f"{path}: is a .tflite file; give the .keras file that it was converted from")
        model = keras.saving.load_model(path, custom_objects=_classes(code) if code else None, compile=False, safe_mode=True)
        return content, _with_inputs(model)
    except InputError:
        raise
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # Keras raises ValueError, TypeError, KeyError and others for a file that is not a model
        text = one_line(error) or type(error).__name__
        if not code and ("custom object" in text or "register" in text or "Could not locate" in text):
            raise ModelFileError(
                f"{path}: has custom layers; give the file that defines them with --code ({text[:160]})"
            ) from error
        raise ModelFileError(
            f"{path}: is not a Keras model that can be loaded ({text[:200]}); save it by model.save('NAME.keras')"
        ) from error


def _with_inputs(model: keras.Model) -> keras.Model:
    """Wrap a subclassed model, which has no inputs, in a graph of one layer with the input shape that it was built with."""
    shape = None if getattr(model, "inputs", None) else (model.get_build_config() or {}).get("input_shape")
    if not shape:
        return model
    inputs = keras.Input(shape[1:], name="pixels")
    return keras.Model(inputs, model(inputs))


def check_contract(path: Path, model: keras.Model, classes: int) -> None:
    """Check that a Keras model takes images that pixels can be adapted to, and has one output for each class.

    Raises:
        ModelFileError: it does not; the message has its shapes.
    """
    inputs, outputs = (getattr(model, name, None) or () for name in ("inputs", "outputs"))
    if not inputs or not outputs:
        raise ModelFileError(f"{path}: has no input shape; call the model on an image once before saving it")
    if len(inputs) != 1:
        raise ModelFileError(f"{path}: takes {len(inputs)} inputs, expected one: the image")
    shape = tuple(model.input_shape)
    if shape not in (*_SHAPES, *_ADAPTED):
        raise ModelFileError(
            f"{path}: takes input {shape}, expected (None, 784), (None, 28, 28), (None, 28, 28, 1), or 32x32 pixels or 3 channels of them"
            + _shape_remedy(shape)
        )
    if len(outputs) != 1 or tuple(model.output_shape) != (None, classes):
        raise ModelFileError(
            f"{path}: has output {model.output_shape}, expected one number for each of {classes} classes; give its data with --data"
        )


def _shape_remedy(shape: tuple[int | None, ...]) -> str:
    """How a model with another input can be saved so that it takes our images; empty if that is unknown."""
    if None in shape[1:]:
        return "; its size is not fixed: build it with keras.Input((28, 28, 1))"
    if len(shape) != 4 or shape[-1] not in (1, 3):
        return ""
    _, height, width, channels = shape
    return (
        f"; save it with a layer that resizes: keras.Sequential([keras.Input((28, 28, {channels})), "
        f"keras.layers.Resizing({height}, {width}), model]).save('NAME.keras')"
    )


def input_note(model: keras.Model) -> str:
    """How images are adapted to the input of a model that `check_contract` accepts; empty if they are not."""
    shape = tuple(model.input_shape)
    border = [f"a border of {(_PADDED - SIDE) // 2} pixels of background"] if _has_border(shape) else []
    channels = ["the same grey level in 3 channels"] if len(shape) == 4 and shape[-1] == 3 else []
    return " and ".join([*border, *channels])


def adapt(path: Path, model: keras.Model, scale: str, validation: Split) -> keras.Model:
    """Adapt a model to take pixel values from 0 to 255 and to output logits.

    Args:
        path: of the model, for messages.
        model: one that `check_contract` accepts. Its last activation may be changed.
        scale: pixel range that it was trained with, one of `SCALES`.
        validation: images on which the scale is checked.

    Raises:
        BadArgument: the scale is unknown.
        ModelFileError: outputs are NaN or infinite, or probabilities that are not a last softmax.
        InputError: the model is far more accurate with another scale.
    """
    if scale not in SCALES:
        raise BadArgument(f"--input-scale is {scale!r}, expected one of {', '.join(SCALES)}")
    outputs = predict_logits(with_input_scale(model, scale), validation.images)
    _refuse_wrong_scale(path, model, scale, outputs, validation)
    if not np.isfinite(outputs).all():
        raise ModelFileError(f"{path}: outputs are not finite numbers (NaN or infinite); train it again")
    if _are_probabilities(outputs):
        model = _without_softmax(model)
        if _are_probabilities(predict_logits(with_input_scale(model, scale), validation.images)):
            raise ModelFileError(f"{path}: outputs probabilities, but not by a last softmax; build it to output logits")
    return with_input_scale(model, scale)


def find_scale(path: Path, model: keras.Model, validation: Split) -> str:
    """The pixel range that a model was trained with, by its cross-entropy and its accuracy on validation images.

    Accuracy alone would not tell: a network of ReLUs hardly changes its labels when pixels are 255 times as large. But a model that was
    trained on large pixels is hardly better than chance on small ones, whose outputs are 255 times as small. So the better of the two small
    ranges is right if its loss is low and its accuracy not below that with 0 to 255.

    Raises:
        InputError: 0 to 1 and -1 to 1 fit alike.
    """
    outputs = {scale: predict_logits(with_input_scale(model, scale), validation.images) for scale in SCALES}
    losses = {scale: _losses(found, validation.labels) for scale, found in outputs.items()}
    right = {scale: float(np.mean(found.argmax(axis=1) == validation.labels)) for scale, found in outputs.items()}
    best, other = sorted((scale for scale in SCALES if scale != OWN_SCALE), key=lambda scale: float(losses[scale].mean()))
    if float(losses[best].mean()) > _TRAINED * np.log(model.output_shape[-1]) or right[best] < right[OWN_SCALE] - _AS_RIGHT:
        return OWN_SCALE
    if abs(float(losses[OWN_SCALE].mean() / losses[best].mean()) - 1) < _ALIKE:  # it normalises its input
        return OWN_SCALE
    loss = losses[other] - losses[best]
    if float(loss.mean()) < _STANDARD_ERRORS * float(loss.std()) / len(loss) ** 0.5:
        known = " and ".join(f"{losses[scale].mean():.3f} with --input-scale {scale}" for scale in sorted((best, other)))
        raise InputError(f"{path}: cannot tell which pixels it was trained on: its validation loss is {known}; give one of them")
    return best


def _losses(outputs: NDArray[np.float32], labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The cross-entropy of each image; large where outputs are not finite. Outputs from 0 to 1 are probabilities, also if by sigmoids."""
    values = np.nan_to_num(outputs.astype(np.float64), nan=-1e9, posinf=1e9, neginf=-1e9)
    if values.min() >= 0 and values.max() <= 1 + 1e-3:
        values = np.log(values.clip(1e-12))
    shifted = values - values.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels])


def with_input_scale(model: keras.Model, scale: str) -> keras.Model:
    """The model for pixels from 0 to 255, 28x28 of one channel, which are first adapted to its own input shape and pixel range."""
    low, high = SCALES[scale]
    shape = tuple(model.input_shape)
    if scale == OWN_SCALE and shape in _SHAPES:
        return model
    inputs = keras.Input(shape[1:] if shape in _SHAPES else (SIDE, SIDE, 1), name="pixels")
    x = inputs if shape in _SHAPES else _fitted(inputs, shape)
    if scale != OWN_SCALE:
        x = layers.Rescaling((high - low) / 255, offset=low, name="to_its_scale")(x)
    return keras.Model(inputs, _applied(model, x))


def _has_border(shape: tuple[int | None, ...]) -> bool:
    return math.prod(length or 0 for length in shape[1:3]) == _PADDED**2


def _fitted(pixels: Any, shape: tuple[int | None, ...]) -> Any:
    """Pixels, 28x28 of one channel, in a shape of `_ADAPTED`. This comes before rescaling, so that a border is background in any range."""
    if _has_border(shape):
        pixels = layers.ZeroPadding2D((_PADDED - SIDE) // 2)(pixels)
    if len(shape) == 4 and shape[-1] == 3:
        pixels = layers.Concatenate()([pixels] * 3)
    return layers.Reshape(shape[1:])(pixels) if len(shape) < 4 else pixels


def _applied(model: keras.Model, x: Any) -> Any:
    """Apply a model; a chain of layers layer by layer, so that `simplify_model` sees them in one graph."""
    chain = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
    if not isinstance(model, keras.Sequential):
        try:
            before = [*model.inputs, *(layer.output for layer in chain)]
            if (
                not all(layer.input is tensor for layer, tensor in zip(chain, before, strict=False))
                or model.outputs[0] is not before[-1]
            ):
                return model(x)
        except (AttributeError, ValueError):  # not a graph of layers, or a layer used twice
            return model(x)
    for layer in chain:
        x = _applied(layer, x) if isinstance(layer, keras.Model) else layer(x)
    return x


def _refuse_wrong_scale(path: Path, model: keras.Model, scale: str, outputs: NDArray[np.float32], validation: Split) -> None:
    def percent(logits: NDArray[np.float32]) -> float:
        return 100 * float(np.mean(logits.argmax(axis=1) == validation.labels))

    accuracy = percent(outputs)
    if accuracy > 100 - _CLEARLY_BETTER:
        return
    for other in SCALES:
        if (
            other != scale
            and (there := percent(predict_logits(with_input_scale(model, other), validation.images))) > accuracy + _CLEARLY_BETTER
        ):
            raise InputError(
                f"{path}: validation accuracy is {accuracy:.1f} % with pixels from {scale.replace('..', ' to ')} and {there:.1f} % with "
                f"--input-scale {other}; use that"
            )


def _are_probabilities(outputs: NDArray[np.float32]) -> bool:
    return bool(outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def _without_softmax(model: keras.Model) -> keras.Model:
    """The model without its last softmax, a layer or an activation, also inside a nested model."""
    last, owner = model, model
    while isinstance(last, keras.Model):
        last, owner = last.layers[-1], last
    if isinstance(last, layers.Softmax) and owner is model:
        return keras.Model(model.inputs, last.input)
    if getattr(last, "activation", None) is keras.activations.softmax:
        last.activation = keras.activations.linear
        model.predict_function = None  # compiled with the softmax
    return model


def _classes(code: Path) -> dict[str, Any]:
    """Execute a Python file and collect its classes by name."""
    try:
        spec = importlib.util.spec_from_file_location("_model_code", code)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["_model_code"] = module
        spec.loader.exec_module(module)
    except OSError as error:
        raise InputError(f"{code}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # anything that foreign code raises
        raise InputError(f"{code}: cannot be executed ({type(error).__name__}: {one_line(error)[:200]})") from error
    return {name: value for name, value in vars(module).items() if isinstance(value, type)}
