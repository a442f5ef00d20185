"""What every operator of a TFLite file gives for real images, and the ranges of these values."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convert.quiet import quiet
from edge_runtime.graph import Tensor, read_graph
from edge_runtime.interpreter import find_backend, make_interpreter
from edge_runtime.quantization import dequantize
from edge_runtime.runner import encoder, pixel_values

Range = tuple[float, float]
METHODS = ("min-max", "moving-average")
MOMENTUM = 0.99
_BATCH = 100


def activations(flatbuffer: bytes, images: NDArray[np.uint8]) -> Iterator[dict[int, NDArray[np.float32]]]:
    """The activations of a file, a batch of images at a time.

    Args:
        flatbuffer: a float or quantised TFLite file.
        images: uint8 [N, 28, 28].

    Yields:
        Real values, float32 [n, ...], of the input and of each operator's output by the tensor's number.
    """
    graph = read_graph(flatbuffer)
    numbers = [number for number, tensor in enumerate(graph.tensors) if not tensor.payload_bytes and _is_number(tensor)]
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        if start == 0 or len(batch) < _BATCH:
            with quiet():  # it warns that preserving tensors takes memory
                interpreter = make_interpreter(flatbuffer, find_backend("litert"), batch=len(batch), preserve=True)
            details = interpreter.get_input_details()[0]
            buffer = np.empty([len(batch), *graph.inputs[0].shape[1:]], graph.inputs[0].dtype)
            encode = encoder(pixel_values(graph.inputs[0]), buffer.reshape(batch.shape))
        encode(batch)
        interpreter.set_tensor(details["index"], buffer)
        interpreter.invoke()
        yield {number: _real(interpreter.get_tensor(number), graph.tensors[number]) for number in numbers}


def ranges_on(flatbuffer: bytes, images: NDArray[np.uint8], method: str = "min-max") -> dict[int, Range]:
    """The range of each activation of a float file on images, by the tensor's number.

    Args:
        flatbuffer: the file.
        images: uint8 [N, 28, 28].
        method: "min-max" for the least and the largest value that occurs; "moving-average" for exponential moving averages, over images,
            of each image's least and largest value, so that a single odd image does not stretch the range (Jacob et al., arXiv 1712.05877).
    """
    lows: dict[int, list[NDArray[np.float32]]] = {}
    highs: dict[int, list[NDArray[np.float32]]] = {}
    for batch in activations(flatbuffer, images):
        for number, values in batch.items():
            flat = values.reshape(len(values), -1)
            lows.setdefault(number, []).append(flat.min(axis=1))
            highs.setdefault(number, []).append(flat.max(axis=1))
    if method == "min-max":
        return {number: (float(min(map(np.min, lows[number]))), float(max(map(np.max, highs[number])))) for number in lows}
    return {number: (_moving_average(lows[number]), _moving_average(highs[number])) for number in lows}


def _moving_average(parts: list[NDArray[np.float32]]) -> float:
    values = np.concatenate(parts)
    average = float(values[0])
    for value in values[1:]:
        average = MOMENTUM * average + (1 - MOMENTUM) * float(value)
    return average


def _is_number(tensor: Tensor) -> bool:
    return tensor.dtype in ("float32", "int8", "int16")


def _real(values: NDArray[np.generic], tensor: Tensor) -> NDArray[np.float32]:
    return (
        values.astype(np.float32, copy=False) if tensor.dtype == "float32" else dequantize(values, tensor.scale, tensor.zero_point)
    )
