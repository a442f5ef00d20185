"""The layers that the C code computes, with activations as uint8 (the int8 value plus 128) and every constant ready."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from convert.integer_layers.rescaling import Rescaling

Size = tuple[int, int]  # height, width
Volume = tuple[int, int, int]  # height, width, channels
SHIFT = 128  # from int8 to uint8


@dataclass(frozen=True)
class Window:
    """A window that slides over a feature map. padding: rows above and columns to the left."""

    source: Volume
    result: Volume
    kernel: Size = (1, 1)
    stride: Size = (1, 1)
    dilation: Size = (1, 1)
    padding: Size = (0, 0)

    @property
    def is_padded(self) -> bool:
        """Whether it reaches beyond its input."""
        return any(
            padding > 0 or (result - 1) * stride - padding + (kernel - 1) * dilation >= source
            for source, result, kernel, stride, dilation, padding in zip(
                self.source, self.result, self.kernel, self.stride, self.dilation, self.padding, strict=False
            )
        )

    @property
    def bytes(self) -> int:
        """Of its output."""
        return int(np.prod(self.result))


@dataclass(frozen=True)
class Steps:
    """Steps of a layer as uint8. source_zero, zero: those that stand for 0 in its input and its output. low, high: limits of its output."""

    source_zero: int
    zero: int
    low: int
    high: int


@dataclass(frozen=True)
class Layer:
    """A layer.

    kind: "convolution" (dense layers too), "depthwise", "mean", "average_pool" or "max_pool".
    weights: int8; [out, h, w, in] of a convolution, [h, w, out] of a depthwise one. bits: of a weight in the file, 8 or 4.
    biases: int64 [out]. rescalings: one for each output channel; one for a mean.
    """

    kind: str
    window: Window
    steps: Steps
    weights: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    bits: int = 8
    biases: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    rescalings: tuple[Rescaling, ...] = ()

    @property
    def multiply_adds(self) -> int:
        """Products of weights and inputs for one image, padding included."""
        if self.kind not in ("convolution", "depthwise"):
            return 0
        height, width, channels = self.window.result
        return height * width * channels * (self.weights.size // channels)
