"""Activations of a TFLite file on real images, and their ranges."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.flatbuffer.float_model import WEIGHTED, FloatModel, Operation
from convert.quantization.float_operators import PLAIN, apply_plain, apply_weights
from convert.quiet import quiet
from edge_runtime.common.quantization import dequantize
from edge_runtime.errors import ModelFileError
from edge_runtime.inference.interpreter import find_backend, make_interpreter
from edge_runtime.inference.runner import encoder, pixel_values
from edge_runtime.model.graph import Tensor, read_graph

Range = tuple[float, float]
PIXEL_RANGE = (0.0, 255.0)  # of the input, whatever values the calibration images have
METHODS = ("min-max", "moving-average")
MOMENTUM = 0.99
_BATCH = 100


def activations(
    flatbuffer: bytes, images: NDArray[np.uint8], *, reference: bool = False
) -> Iterator[dict[int, NDArray[np.float32]]]:
    """Compute the activations of a file by LiteRT, batch by batch.

    Args:
        flatbuffer: a float or quantised TFLite file.
        images: uint8 [N, 28, 28].
        reference: use reference kernels, which are slow but do not choose instructions by the CPU, if they have all operators.

    Yields:
        Real values, float32 [n, ...], of the input and of each operator's output by tensor number.
    """
    graph = read_graph(flatbuffer)
    numbers = [number for number, tensor in enumerate(graph.tensors) if not tensor.payload_bytes and _is_activation(tensor)]
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        if start == 0 or len(batch) < _BATCH:
            interpreter = _interpreter(flatbuffer, len(batch), reference)
            details = interpreter.get_input_details()[0]
            buffer = np.empty([len(batch), *graph.inputs[0].shape[1:]], graph.inputs[0].dtype)
            encode = encoder(pixel_values(graph.inputs[0]), buffer.reshape(batch.shape))
        encode(batch)
        interpreter.set_tensor(details["index"], buffer)
        interpreter.invoke()
        yield {number: _real(interpreter.get_tensor(number), graph.tensors[number]) for number in numbers}


def _interpreter(flatbuffer: bytes, batch: int, reference: bool) -> Any:
    with quiet():  # LiteRT warns that preserving tensors takes memory
        if reference:
            with suppress(ModelFileError):  # an operator without a reference kernel
                return make_interpreter(flatbuffer, find_backend("litert"), batch=batch, preserve=True, reference=True)
        return make_interpreter(flatbuffer, find_backend("litert"), batch=batch, preserve=True)


def exact_activations(flatbuffer: bytes, images: NDArray[np.uint8]) -> Iterator[dict[int, NDArray[np.float64]]] | None:
    """Compute the activations of a float file in float64, batch by batch.

    CPUs add in different orders, which changes a float64 sum by some 1e-15 of its value. Rounded to float32, whose steps are 6e-8, the
    values are the same on every CPU.

    Args:
        flatbuffer: a float32 or float16 file.
        images: uint8 [N, 28, 28].

    Yields:
        float64 [n, ...] of the input and of each operator's output by tensor number. None is returned if an operator is not implemented in
        `float_operators`.
    """
    file = FloatModel(flatbuffer)
    if not all(_is_implemented(operation) for operation in file.operations):
        return None
    shape = file.shape(file.input)[1:]
    batches = (images[start : start + _BATCH].reshape(-1, *shape) for start in range(0, len(images), _BATCH))
    return (_computed(file, batch.astype(np.float64)) for batch in batches)


def exact_logits(flatbuffer: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Logits of a float file, computed in float64 and rounded to float32 [N, classes]; None as in `exact_activations`."""
    batches = exact_activations(flatbuffer, images)
    output = FloatModel(flatbuffer).output
    return None if batches is None else np.concatenate([batch[output] for batch in batches]).astype(np.float32)


def _is_implemented(operation: Operation) -> bool:
    return operation.kind in PLAIN or operation.kind in (*WEIGHTED, "DEQUANTIZE")


def _computed(file: FloatModel, pixels: NDArray[np.float64]) -> dict[int, NDArray[np.float64]]:
    values: dict[int, Any] = {file.input: pixels}
    for operation in file.operations:
        inputs = [values[index] for index in operation.inputs]
        if operation.kind == "DEQUANTIZE":  # of float16 weights
            values[operation.output] = file.constant(operation.constants[0]).astype(np.float64)
        elif operation.kind in WEIGHTED:
            constants = (file.constant(index).astype(np.float64) for index in operation.constants)
            values[operation.output] = apply_weights(operation, *inputs, *constants)
        else:
            values[operation.output] = apply_plain(operation, file, inputs)
    unpacked = {operation.output for operation in file.operations if operation.kind == "DEQUANTIZE"}
    return {index: np.asarray(value) for index, value in values.items() if index not in unpacked}


def ranges_on(flatbuffer: bytes, images: NDArray[np.uint8], method: str = "min-max") -> dict[int, Range]:
    """Measure the range of each activation of a float file, by tensor number; the same on every CPU.

    Ranges are measured in float64 and rounded to float32. A file with an operator that is not in `float_operators` is run by LiteRT's
    reference kernels, which add in the same order on all CPUs of an architecture.

    Args:
        flatbuffer: the file.
        images: uint8 [N, 28, 28].
        method: "min-max" for the minimum and maximum over all images; "moving-average" for exponential moving averages of each image's
            minimum and maximum, so that a single odd image does not stretch the range (Jacob et al., arXiv 1712.05877).
    """
    lows: dict[int, list[NDArray[np.floating]]] = {}
    highs: dict[int, list[NDArray[np.floating]]] = {}
    for batch in exact_activations(flatbuffer, images) or activations(flatbuffer, images, reference=True):
        for number, values in batch.items():
            flat = values.reshape(len(values), -1)
            lows.setdefault(number, []).append(flat.min(axis=1))
            highs.setdefault(number, []).append(flat.max(axis=1))
    low, high = (np.min, np.max) if method == "min-max" else (_moving_average, _moving_average)
    return {number: (_rounded(low(np.concatenate(lows[number]))), _rounded(high(np.concatenate(highs[number])))) for number in lows}


def _rounded(value: float) -> float:
    return float(np.float32(value))


def _moving_average(values: NDArray[np.floating]) -> float:
    average = float(values[0])
    for value in values[1:]:
        average = MOMENTUM * average + (1 - MOMENTUM) * float(value)
    return average


def _is_activation(tensor: Tensor) -> bool:
    return tensor.dtype in ("float32", "int8", "int16")


def _real(values: NDArray[np.generic], tensor: Tensor) -> NDArray[np.float32]:
    return (
        values.astype(np.float32, copy=False) if tensor.dtype == "float32" else dequantize(values, tensor.scale, tensor.zero_point)
    )
