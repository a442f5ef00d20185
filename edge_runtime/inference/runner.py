"""Run a model in an interpreter with a fixed batch size: pixels in, raw outputs out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.pixels import SIDE
from edge_runtime.common.quantization import quantize
from edge_runtime.errors import ModelFileError
from edge_runtime.inference.interpreter import Backend, make_interpreter
from edge_runtime.model.graph import Graph, Tensor

Encode = Callable[[NDArray[np.uint8]], object]


class Runner:
    """One interpreter with its input buffer. Not thread-safe. Running raises ModelFileError if outputs have not the declared shape."""

    def __init__(self, flatbuffer: bytes, graph: Graph, backend: Backend, threads: int = 1, batch: int = 1) -> None:
        self._interpreter = make_interpreter(flatbuffer, backend, threads, batch)
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self._shape = (batch, *graph.outputs[0].shape[1:])
        self._levels = pixel_values(graph.inputs[0])
        self._buffer = np.full((batch, *graph.inputs[0].shape[1:]), self._levels[0])
        self._images = self._buffer.reshape(batch, SIDE, SIDE)  # the same memory
        self._encode_one, self._encode_all = encoder(self._levels, self._images[0]), encoder(self._levels, self._images)

    def run_one(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """Run one image, uint8 [28, 28].

        Returns:
            A copy of the outputs, [classes], in the dtype of the graph's output.
        """
        self._encode_one(image)
        outputs: NDArray[Any] = self._invoke()[0]
        return outputs

    def run(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Run a batch.

        Args:
            images: uint8 [n, 28, 28], with n up to the batch size.

        Returns:
            A copy of the outputs, [n, classes], in the dtype of the graph's output.
        """
        count = len(images)
        # A smaller last batch leaves older images behind it in the buffer; their outputs are dropped.
        encode = self._encode_all if count == len(self._images) else encoder(self._levels, self._images[:count])
        encode(images)
        return self._invoke()[:count]

    def _invoke(self) -> NDArray[Any]:
        self._interpreter.set_tensor(self._input, self._buffer)
        self._interpreter.invoke()
        outputs: NDArray[Any] = self._interpreter.get_tensor(self._output)
        if outputs.shape != self._shape:  # of a plain file, whose declaration nothing proves
            raise ModelFileError(f"its outputs have shape {outputs.shape}, and it declares {self._shape}")
        return outputs


def pixel_values(tensor: Tensor) -> NDArray[Any]:
    """The input value of each of the 256 grey levels: [256] in the dtype of the graph's input tensor."""
    levels = np.arange(256)
    if tensor.dtype == "float32":
        return levels.astype(np.float32)
    return quantize(levels, tensor.scale, tensor.zero_point, tensor.dtype)


def encoder(levels: NDArray[Any], images: NDArray[Any]) -> Encode:
    """Return a function that writes uint8 pixels into `images`, an input buffer of their shape, converted by `levels`.

    Work that is the same for all images is done here: in a small model, creating one view takes a hundredth of an inference.
    """
    if np.array_equal(levels, np.arange(256)):  # float32, and uint8 with scale 1
        return partial(np.copyto, images)
    if np.array_equal(levels, np.arange(256) - 128):  # int8 with scale 1
        # In two's complement, flipping the highest bit subtracts 128.
        raw, highest_bit = images.view(np.uint8), np.full(images.shape[-2:], 128, np.uint8)
        return lambda pixels: np.bitwise_xor(pixels, highest_bit, raw)
    # mode="clip", since mode="raise" makes numpy copy the buffer
    return lambda pixels: levels.take(pixels, out=images, mode="clip")
