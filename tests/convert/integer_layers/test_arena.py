"""Outputs never overwrite what is still to be read."""

import numpy as np
import pytest

from convert.integer_layers.arena import place_outputs
from convert.integer_layers.layers import Layer, Steps, Window

STEPS = Steps(0, 0, 0, 255)


def _random_chain(seed: int) -> list[Layer]:
    random = np.random.default_rng(seed)
    volume = (28, 28, 1)
    layers = []
    for _ in range(random.integers(1, 6)):
        kernel, stride = int(random.integers(1, 4)), int(random.integers(1, 3))
        padding = int(random.integers(0, kernel))
        sizes = [max((length + padding - kernel) // stride + 1, 1) for length in volume[:2]]
        kind = str(random.choice(["convolution", "depthwise", "max_pool"]))
        channels = int(random.integers(1, 9)) if kind == "convolution" else volume[2]
        result = (sizes[0], sizes[1], channels)
        window = Window(volume, result, (kernel, kernel), (stride, stride), (1, 1), (padding, padding))
        layers.append(Layer(kind, window, STEPS))
        volume = result
    return layers


def _bytes_read(layer: Layer, row: int, column: int) -> set[int]:
    """Places of the input that an output pixel is computed from."""
    (rows, columns, channels), window = layer.window.source, layer.window
    ys = range(row * window.stride[0] - window.padding[0], row * window.stride[0] - window.padding[0] + window.kernel[0])
    xs = range(column * window.stride[1] - window.padding[1], column * window.stride[1] - window.padding[1] + window.kernel[1])
    pixels = [y * columns + x for y in ys for x in xs if 0 <= y < rows and 0 <= x < columns]
    return {pixel * channels + channel for pixel in pixels for channel in range(channels)}


@pytest.mark.parametrize("seed", range(20))
def test_no_byte_is_written_before_its_last_reading(seed: int) -> None:
    """Replayed pixel by pixel; a convolution reads its whole window first, other layers write channel by channel."""
    layers = _random_chain(seed)
    offsets, size = place_outputs(layers)
    assert all(offset >= 0 and offset + layer.window.bytes <= size for offset, layer in zip(offsets, layers, strict=True))
    for layer, source, target in zip(layers[1:], offsets, offsets[1:], strict=False):
        rows, columns, channels = layer.window.result
        written: set[int] = set()
        for number in range(rows * columns):
            reads = {source + place for place in _bytes_read(layer, *divmod(number, columns))}
            assert not reads & written
            pixel = {target + number * channels + channel for channel in range(channels)}
            assert layer.kind == "convolution" or not reads & pixel
            written |= pixel


def test_memory_is_less_than_two_feature_maps() -> None:
    """The output of a convolution lies mostly over its input."""
    layers = [
        Layer("convolution", Window((28, 28, 1), (24, 24, 8), (5, 5)), STEPS),
        Layer("convolution", Window((24, 24, 8), (20, 20, 12), (3, 3), dilation=(2, 2)), STEPS),
    ]
    _, size = place_outputs(layers)
    assert size < 1.25 * max(layer.window.bytes for layer in layers)
