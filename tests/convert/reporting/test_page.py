"""What the page of a conversion says first: which file to take."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from convert.reporting.page import verdict
from convert.reporting.plots import cost_plot
from edge_runtime.common.intervals import Accuracy, wilson_interval


def _conversion(recipe: str, correct: int, size: int, microseconds: int | None, passed: bool = True) -> Any:
    """As much of a `Conversion` as the verdict looks at; as accurate on validation images as on test images."""
    accuracy = Accuracy(correct, 10_000, wilson_interval(correct, 10_000))
    return SimpleNamespace(
        recipe=SimpleNamespace(short=recipe),
        file_name=f"cnn-{recipe}.tflite",
        manifest=SimpleNamespace(accuracy=(SimpleNamespace(candidate=accuracy),) * 2, verdict=SimpleNamespace(passed=passed)),
        model=SimpleNamespace(file_bytes=size),
        cost=None if microseconds is None else SimpleNamespace(nanoseconds=1_000 * microseconds, times_float=1.0),
    )


def test_of_equally_accurate_files_the_fastest_is_taken() -> None:
    """An accuracy within the 95 % interval of the best one is equal to it; a file that the gate refused is not taken."""
    files = [
        _conversion("fp32", 9_922, 400_000, 30),
        _conversion("int8", 9_921, 100_000, 8),
        _conversion("int4", 9_800, 50_000, 6),
        _conversion("dynamic", 9_930, 100_000, 2, passed=False),
    ]
    expected = "the fastest of 2 that are equally accurate: 99.21 % of test images right, 100,000 bytes, 8.0 us an image."
    assert verdict(files) == f"Take cnn-int8.tflite, {expected}"


def test_without_latencies_the_smallest_is_taken() -> None:
    """Speed is not guessed from size."""
    files = [_conversion("fp32", 9_922, 400_000, None), _conversion("int8", 9_921, 100_000, None)]
    assert verdict(files).startswith("Take cnn-int8.tflite, the smallest of 2 that are equally accurate: ")
    assert verdict(files).endswith("100,000 bytes.")


def test_when_the_gate_refused_all_none_is_taken() -> None:
    """The reasons are in the table."""
    refused = [_conversion("int4", 9_000, 1, 1, passed=False)]
    assert verdict(refused) == "Take none of these files: the accuracy gate refused all of them."


@pytest.mark.parametrize(("microseconds", "width"), [(5, 1_000), (None, 500)])
def test_size_speed_and_accuracy_are_drawn(microseconds: int | None, width: int) -> None:
    """A second panel where latency was measured."""
    one, other = (cost_plot([_conversion("int8", 9_900, size, microseconds)]) for size in (1_000, 2_000))
    assert Image.open(io.BytesIO(one)).width == pytest.approx(1.2 * width, abs=2)  # 120 pixels an inch
    assert one != other
