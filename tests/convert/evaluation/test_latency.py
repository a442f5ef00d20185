"""Latency of converted files, and operators that run in slow kernels."""

from pathlib import Path

import numpy as np
import pytest

from convert.evaluation.latency import SAMPLES, measure_costs, operators_outside_xnnpack
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import read_model_file
from train.data import Dataset


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "dynamic", "int8"])
def test_xnnpack_takes_all_of_a_usual_file(recipe: str, cnn_files: dict[str, Path]) -> None:
    """No operator runs in slower kernels."""
    assert operators_outside_xnnpack(read_model_file(cnn_files[recipe]).flatbuffer) == {}


def test_operators_that_xnnpack_leaves_are_counted(cnn_files: dict[str, Path]) -> None:
    """All of int16x8; the convolutions of int4, but not its 8-bit operators."""
    assert operators_outside_xnnpack(read_model_file(cnn_files["int16x8"]).flatbuffer) == {
        "CONV_2D": 4,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
    }
    assert operators_outside_xnnpack(read_model_file(cnn_files["int4"]).flatbuffer) == {"CONV_2D": 4}


def test_the_float_file_takes_once_as_long_as_itself() -> None:
    """It is timed once, not twice."""
    floats, int8 = (read_model_file(Path(name)).flatbuffer for name in ("base-fp32", "nano"))
    measured = measure_costs(floats, [floats, int8], np.zeros((1, 28, 28), np.uint8), lambda files, *_: [[40], [10]][: len(files)])
    assert [(cost.nanoseconds, cost.times_float) for cost in measured] == [(40, 1.0), (10, 0.25)]


def test_costs_are_beside_the_float_file(cnn_files: dict[str, Path], mnist_slice: Dataset) -> None:
    """Costs are medians of one measurement of all files, the float file first."""
    floats, int8, wide = (read_model_file(cnn_files[recipe]).flatbuffer for recipe in ("fp32", "int8", "int16x8"))
    asked = []

    def measure(classifiers: list[Classifier], images: np.ndarray, samples: int) -> list[list[int]]:
        asked.append([classifier.classify(images[0]).index for classifier in classifiers])
        assert samples == SAMPLES
        return [[40, 10, 900], [30, 5, 900], [400, 400, 1]]

    costs = measure_costs(floats, [int8, wide], mnist_slice.x_test, measure)
    assert asked == [[int(mnist_slice.y_test[0])] * 3]
    assert [(cost.nanoseconds, cost.times_float, len(cost.outside)) for cost in costs] == [(30, 0.75, 0), (400, 10.0, 3)]
