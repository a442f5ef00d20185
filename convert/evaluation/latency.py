"""Latency of converted files on this machine, beside the float file, and the operators that run outside XNNPACK."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.interpreter import find_backend, make_interpreter
from edge_runtime.model.model_file import parse_model_file

SAMPLES = 200
Measure = Callable[[Sequence[Classifier], NDArray[np.uint8], int], list[list[int]]]
"""Times a number of calls of each classifier, interleaved, in nanoseconds, as `benchmarks.runner.in_process.measure` does."""
_DELEGATE = "DELEGATE"


@dataclass(frozen=True)
class Cost:
    """The latency of one file.

    nanoseconds: median time of an image, from uint8 pixels to a label. times_float: that over the float file's in the same run.
    outside: number of operators of each kind that run outside XNNPACK.
    """

    nanoseconds: int
    times_float: float
    outside: dict[str, int]


def measure_costs(floats: bytes, files: Sequence[bytes], images: NDArray[np.uint8], measure: Measure) -> list[Cost]:
    """Measure converted files and the float file in one interleaved run.

    Args:
        floats: FlatBuffer of the float model.
        files: FlatBuffers of converted models.
        images: uint8 [N, 28, 28], used in turn.
        measure: times them.
    """
    different = list(dict.fromkeys((floats, *files)))  # the fp32 file is the float file: timed twice, it would differ from itself
    classifiers = [Classifier(parse_model_file(flatbuffer, "file"), in_process=True) for flatbuffer in different]
    samples = measure(classifiers, images, SAMPLES)
    medians = {flatbuffer: int(np.median(times)) for flatbuffer, times in zip(different, samples, strict=True)}
    return [
        Cost(medians[flatbuffer], medians[flatbuffer] / medians[floats], operators_outside_xnnpack(flatbuffer))
        for flatbuffer in files
    ]


def operators_outside_xnnpack(flatbuffer: bytes) -> dict[str, int]:
    """Count the operators of each kind that TFLite's own kernels run on this machine; empty if XNNPACK runs all.

    The interpreter lists every operator of the file, then each part that a delegate took over, with its inputs and outputs. The graph is
    walked from the outputs back: where a delegate computes a tensor, the operators that would compute it do not run.
    """
    interpreter: Any = make_interpreter(flatbuffer, find_backend("litert"))
    delegated: dict[int, Any] = {}  # by the tensor that is computed
    own: dict[int, Any] = {}
    for operator in interpreter._get_ops_details():
        for output in operator["outputs"]:
            (delegated if operator["op_name"] == _DELEGATE else own)[int(output)] = operator
    outside: dict[int, str] = {}  # by the operator's number
    waiting, seen = [int(detail["index"]) for detail in interpreter.get_output_details()], set()
    while waiting:
        tensor = waiting.pop()
        operator = delegated.get(tensor) or own.get(tensor)
        if operator is None or tensor in seen:
            continue  # a constant or an input
        seen.add(tensor)
        if operator["op_name"] != _DELEGATE:
            outside[int(operator["index"])] = operator["op_name"]
        waiting += [int(index) for index in operator["inputs"] if index >= 0]
    return dict(Counter(outside[number] for number in sorted(outside)))
