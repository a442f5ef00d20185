"""The network of options["network"] in plain numpy: each convolution is one matrix product (im2col)."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.backends import LoadedModel

DISTRIBUTIONS = ("numpy",)
Layer = Callable[[Any], Any]


def prepare(options: dict[str, Any]) -> None:
    """Import nothing: numpy is imported already."""


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """The layers as functions of float32 [N, height, width, channels]. The threads are those of numpy's BLAS."""
    with np.load(options["network"]) as arrays:
        layers = [_layer(layer, arrays) for layer in json.loads(str(arrays["layers"]))]

    def logits(images: Any) -> Any:
        x = images[..., None].astype(np.float32)
        for layer in layers:
            x = layer(x)
        return x

    def many(images: Any) -> Any:
        return np.concatenate([logits(images[start : start + 100]).argmax(axis=1) for start in range(0, len(images), 100)])

    return LoadedModel(lambda image: logits(image[None])[0].argmax(), many)


def _layer(layer: dict[str, Any], arrays: Any) -> Layer:
    kind = layer["kind"]
    if kind == "mean":
        return lambda x: x.mean(axis=(1, 2))
    if kind == "flatten":
        return lambda x: x.reshape(len(x), -1)
    if kind == "maximum":
        return _with_relu(layer, lambda x: _windows(x, layer, layer["size"], [1, 1], -np.inf).max(axis=(4, 5)))
    weights, bias = arrays[layer["weights"][0]], arrays[layer["weights"][1]] if len(layer["weights"]) > 1 else np.float32(0)
    if kind == "dense":
        matrix = np.ascontiguousarray(weights.T)
        return _with_relu(layer, lambda x: x @ matrix + bias)
    size = weights.shape[1:3]
    if kind == "depthwise":
        return _with_relu(
            layer, lambda x: np.einsum("nhwcij,ijc->nhwc", _windows(x, layer, size, layer["dilations"]), weights[0]) + bias
        )
    matrix = np.ascontiguousarray(weights.transpose(3, 1, 2, 0).reshape(-1, len(weights)))  # [channels * height * width, filters]

    def convolve(x: Any) -> Any:
        windows = _windows(x, layer, size, layer["dilations"])
        return windows.reshape(*windows.shape[:3], -1) @ matrix + bias

    return _with_relu(layer, convolve)


def _with_relu(layer: dict[str, Any], function: Layer) -> Layer:
    return (lambda x: np.maximum(function(x), 0)) if layer["relu"] else function


def _windows(x: Any, layer: dict[str, Any], size: Any, dilations: Any, fill: float = 0.0) -> Any:
    """The receptive field of each output: float32 [N, height, width, channels, *size]."""
    strides, reach = layer["strides"], [(length - 1) * dilation + 1 for length, dilation in zip(size, dilations, strict=True)]
    if layer["padding"] == "SAME":
        missing = [
            max(0, (-(-length // stride) - 1) * stride + window - length)
            for length, stride, window in zip(x.shape[1:3], strides, reach, strict=True)
        ]
        x = np.pad(x, [(0, 0), *((count // 2, count - count // 2) for count in missing), (0, 0)], constant_values=fill)
    found = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    return found[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]
