"""A model in an interpreter, for a fixed number of images at once: pixels in, raw outputs out."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.graph import Graph, Tensor
from edge_runtime.interpreter import Backend, make_interpreter
from edge_runtime.pixels import SIDE
from edge_runtime.quantization import quantize

_HIGHEST_BIT = np.uint8(128)
Encode = Callable[[NDArray[np.uint8], NDArray[Any]], object]


class Runner:
    """One interpreter with its input buffer. For one thread at a time."""

    def __init__(self, flatbuffer: bytes, graph: Graph, backend: Backend, threads: int = 1, batch: int = 1) -> None:
        self._interpreter = make_interpreter(flatbuffer, backend, threads, batch)
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self._encode = encoder(graph.inputs[0])
        blank = pixel_values(graph.inputs[0])[0]
        self._buffer = np.full((batch, *graph.inputs[0].shape[1:]), blank)
        self._images = self._buffer.reshape(batch, SIDE, SIDE)  # the same memory
        self._first = self._images[0]

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Outputs of images.

        Args:
            pixels: uint8 [28, 28], or uint8 [n, 28, 28] with n up to the number of images at once.

        Returns:
            A copy of the outputs, [n, classes] (n = 1 for a single image) in the dtype of the graph's output.
        """
        if pixels.ndim == 2:
            self._encode(pixels, self._first)
        else:
            # A last, smaller group leaves older images behind it in the buffer; what comes of those is dropped.
            self._encode(pixels, self._images[: len(pixels)])
        self._interpreter.set_tensor(self._input, self._buffer)
        self._interpreter.invoke()
        outputs: NDArray[Any] = self._interpreter.get_tensor(self._output)
        count = 1 if pixels.ndim == 2 else len(pixels)
        return outputs if count == len(outputs) else outputs[:count]


def pixel_values(tensor: Tensor) -> NDArray[Any]:
    """What the graph takes for each of the 256 grey levels: [256] in the dtype of its input tensor."""
    levels = np.arange(256)
    if tensor.dtype == "float32":
        return levels.astype(np.float32)
    return quantize(levels, tensor.scale, tensor.zero_point, tensor.dtype)


def encoder(tensor: Tensor) -> Encode:
    """A function that writes uint8 pixels into an input buffer of as many elements, as the graph wants them."""
    table = pixel_values(tensor)
    if np.array_equal(table, np.arange(256)):  # float32, and uint8 with scale 1
        return _copy
    if np.array_equal(table, np.arange(256) - 128):  # int8 with scale 1
        return _flip_highest_bit
    # mode="clip", since numpy's "raise" goes through a copy of the buffer
    return lambda pixels, buffer: table.take(pixels.reshape(buffer.shape), out=buffer, mode="clip")


def _copy(pixels: NDArray[np.uint8], buffer: NDArray[Any]) -> None:
    np.copyto(buffer, pixels.reshape(buffer.shape))


def _flip_highest_bit(pixels: NDArray[np.uint8], buffer: NDArray[Any]) -> None:
    """Takes 128 off each pixel: in two's complement that flips the highest bit."""
    np.bitwise_xor(pixels.reshape(buffer.shape), _HIGHEST_BIT, out=buffer.view(np.uint8))
