"""Undo the folding of columns into channels (`convert.flatbuffer.space_to_depth`), which helps wide registers alone."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convert.integer_layers.layers import Layer


def unfold(layer: Layer, source_width: int, result_channels: int) -> Layer:
    """The convolution that a folded one was made from, or `layer` itself if it was not folded.

    Args:
        layer: a convolution.
        source_width: width of the feature map before columns became channels.
        result_channels: channels of the result after groups of columns were taken apart.

    A result that is not the same for all columns of a group, weight by weight, is not unfolded.
    """
    window = layer.window
    (height, groups, columns), (rows, places, features) = window.source, window.result
    filters, remainder = divmod(features, result_channels)
    if columns == 1 or source_width != groups * columns or remainder or columns % max(filters, 1):
        return layer
    stride = columns // filters
    kernels = layer.weights.reshape(filters, result_channels, window.kernel[0], -1)
    shifted = _shifted_back(kernels, stride)
    if shifted is None or window.stride[1] != 1 or window.dilation[1] != 1 or not _repeats(layer, result_channels):
        return layer
    used = np.flatnonzero(shifted.any(axis=(0, 1)))
    ahead = window.padding[1] * columns  # columns of padding that the folded filters begin with
    first = min(int(used[0]), ahead) if len(used) else 0
    last = int(used[-1]) if len(used) else 0
    weights = shifted[:, :, first : last + 1]
    return replace(
        layer,
        window=replace(
            window,
            source=(height, source_width, 1),
            result=(rows, places * filters, result_channels),
            kernel=(window.kernel[0], weights.shape[2]),
            stride=(window.stride[0], stride),
            padding=(window.padding[0], ahead - first),
        ),
        weights=np.ascontiguousarray(weights)[..., None],
        biases=layer.biases[:result_channels],
        rescalings=layer.rescalings[:result_channels],
    )


def _shifted_back(kernels: NDArray[np.int8], stride: int) -> NDArray[np.int8] | None:
    """The filters [features, h, w] of a group's first column, if those of each other column are the same, `stride` further; else None.

    kernels: [filters, features, h, w].
    """
    first = kernels[0]
    for place in range(1, len(kernels)):
        ahead = place * stride
        if kernels[place][..., :ahead].any() or not np.array_equal(kernels[place][..., ahead:], first[..., :-ahead]):
            return None
        if first[..., -ahead:].any():
            return None
    return np.asarray(first)


def _repeats(layer: Layer, channels: int) -> bool:
    """Whether biases and rescalings are those of the first `channels` features, again and again."""
    times = len(layer.biases) // channels
    return bool(np.array_equal(layer.biases, np.tile(layer.biases[:channels], times))) and (
        layer.rescalings == layer.rescalings[:channels] * times
    )
