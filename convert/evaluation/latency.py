"""What an image costs by each converted file, on the machine that converted: all files take turns, beside the float file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.evaluation.kernels import operators_outside_xnnpack
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import parse_model_file

SAMPLES = 200
Measure = Callable[[Sequence[Classifier], NDArray[np.uint8], int], list[list[int]]]
"""Times so many calls of each classifier with images, interleaved, in nanoseconds, as `benchmarks.runner.in_process.measure` does."""


@dataclass(frozen=True)
class Cost:
    """Of one file.

    nanoseconds: median of an image, from uint8 pixels to a label. times_float: that over the float file's in the same run.
    outside: operators that XNNPACK does not take, by kind.
    """

    nanoseconds: int
    times_float: float
    outside: dict[str, int]


def measure_costs(floats: bytes, files: Sequence[bytes], images: NDArray[np.uint8], measure: Measure) -> list[Cost]:
    """Measure files beside the float file that they were made from.

    Args:
        floats: its FlatBuffer.
        files: their FlatBuffers.
        images: uint8 [N, 28, 28], taken in turn.
        measure: times them.
    """
    classifiers = [Classifier(parse_model_file(flatbuffer, "file"), trusted=True) for flatbuffer in (floats, *files)]
    reference, *medians = (int(np.median(times)) for times in measure(classifiers, images, SAMPLES))
    return [
        Cost(median, median / reference, operators_outside_xnnpack(flatbuffer))
        for median, flatbuffer in zip(medians, files, strict=True)
    ]
