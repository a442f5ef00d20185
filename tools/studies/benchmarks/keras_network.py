"""A Keras network as plain arrays, for `onnx_network`: scaling of the pixels and batch normalisation folded into the weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import DigitsError


def write_network(keras_file: Path, path: Path) -> None:
    """Write the layers of a chain of convolutions as ONNX operators, with their weights.

    Raises:
        DigitsError: it has a layer that is not known here.
    """
    from train.backend import keras

    model = keras.saving.load_model(keras_file, compile=False)
    layers: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    scale = 1.0
    for layer in model.layers:
        kind, settings = type(layer).__name__, layer.get_config()
        if kind == "Rescaling" and not settings["offset"]:
            scale = settings["scale"]
        elif kind == "Conv2D":
            layers.append(_convolution(settings, len(arrays)))
            kernel = np.asarray(layer.kernel).transpose(3, 2, 0, 1) * scale  # ONNX: outputs, inputs, height, width
            bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(len(kernel))
            weight, offset = layers[-1]["weights"]
            arrays |= {weight: kernel, offset: bias}
            scale = 1.0
        elif kind == "BatchNormalization":
            _fold(layer, arrays, layers[-1]["weights"])
        else:
            layers += _others(kind, layer, arrays)
    floats = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    np.savez(path, layers=np.array(json.dumps(layers)), **floats)  # type: ignore[arg-type]


def _convolution(settings: dict[str, Any], number: int) -> dict[str, Any]:
    if settings["activation"] != "linear" or settings["data_format"] != "channels_last":
        raise DigitsError(f"a convolution with {settings} is not known here")
    return {
        "kind": "Conv",
        "weights": [f"kernel{number}", f"bias{number}"],
        "strides": list(settings["strides"]),
        "dilations": list(settings["dilation_rate"]),
        "auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[settings["padding"]],
    }


def _fold(layer: Any, arrays: dict[str, Any], names: list[str]) -> None:
    """Y = gamma (x - mean) / sqrt(variance + epsilon) + beta, by kernel and bias of the convolution before it."""
    gamma, beta, mean, variance = (
        np.asarray(part, np.float64) for part in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    )
    factor = gamma / np.sqrt(variance + layer.epsilon)
    kernel, bias = names
    arrays[kernel] = arrays[kernel] * factor[:, None, None, None]
    arrays[bias] = (arrays[bias] - mean) * factor + beta


def _others(kind: str, layer: Any, arrays: dict[str, Any]) -> list[dict[str, Any]]:
    if kind == "InputLayer":
        return []
    if kind == "ReLU":
        return [{"kind": "Relu"}]
    if kind == "GlobalAveragePooling2D":
        return [{"kind": "GlobalAveragePool"}, {"kind": "Flatten"}]
    if kind == "Dense" and layer.get_config()["activation"] == "linear":
        arrays.update({"dense": np.asarray(layer.kernel), "dense_bias": np.asarray(layer.bias)})
        return [{"kind": "Gemm", "weights": ["dense", "dense_bias"]}]
    raise DigitsError(f"a layer {layer.name} ({kind}) is not known here")
