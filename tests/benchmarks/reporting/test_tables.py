"""Tables and units, as the exact text that people read."""

from dataclasses import replace

import pytest

from benchmarks.reporting.tables import (
    HEADER,
    accuracy_text,
    as_markdown,
    kilobytes,
    machine_line,
    microseconds,
    milliseconds,
    rows,
)
from edge_runtime.common.intervals import Accuracy
from edge_runtime.common.text_table import text_table
from tests.benchmarks.samples import bench_result, many_processes, model_result, turns

TEXT = """\
model   recipe  file     payload  test accuracy (95 % interval)  p50       95 % interval    p90       p99 (95 % interval)  photo     cold start  memory
cnn     int8    49.4 KB  36.1 KB  99.36 % (99.18 to 99.50)       501.0 us  -                901.0 us  991.0 us             12.00 ms  113.00 ms   38.0 MB
linear  fp32    1.0 KB   0.9 KB   -                              11.0 us   -                -         -                    -         -           -
n       int8    49.4 KB  36.1 KB  99.36 % (99.18 to 99.50)       12.2 us   10.9 to 13.4 us  12.2 us   -                    -         113.00 ms   38.0 MB"""  # noqa: E501

MARKDOWN = """\
| model | recipe |
| --- | --- |
| cnn | int8 |
| mlp | fp32 |"""

FEW = model_result(
    name="linear", recipe="float32", file_bytes=999, payload_bytes=900, steady_ns=tuple(range(1_000, 21_000, 1_000)), accuracy=None
)


def test_the_table_of_a_benchmark_is_this_text() -> None:
    """Medians, sizes and accuracies with their units; a dash where samples are too few for a figure, or there is none."""
    several = many_processes((12_000, 12_200), name="n", recipe="int8")
    result = [rows(bench_result(model)) for model in (model_result(photo=turns([12_000_000] * 3)), replace(FEW, cold=()), several)]
    assert text_table(HEADER, [row for table in result for row in table]) == TEXT


def test_sizes_are_of_the_file_that_a_way_loads() -> None:
    """The sizes of the .tflite do not apply to what Keras and ONNX Runtime load."""
    for way, cells in (("tf.lite", ("49.4 KB", "36.1 KB")), ("Keras call", ("-", "-")), ("ONNX Runtime", ("-", "-"))):
        (row,) = rows(bench_result(model_result(way=way)))
        assert row[2:4] == cells


def test_the_same_table_for_a_readme() -> None:
    """Markdown with a rule below the header."""
    assert as_markdown(("model", "recipe"), [("cnn", "int8"), ("mlp", "fp32")]) == MARKDOWN


def test_a_table_without_rows_is_its_header() -> None:
    """Nothing breaks."""
    assert text_table(("model", "recipe"), []) == "model  recipe"


@pytest.mark.parametrize(
    ("nanoseconds", "micro", "milli"),
    [
        (None, "-", "-"),
        (0, "0.0 us", "0.00 ms"),
        (12_345, "12.3 us", "0.01 ms"),
        (1_234_567, "1,234.6 us", "1.23 ms"),
        (9_876_543_210, "9,876,543.2 us", "9,876.54 ms"),
    ],
)
def test_nanoseconds_become_other_units(nanoseconds: int | None, micro: str, milli: str) -> None:
    """One decimal for microseconds, two for milliseconds."""
    assert (microseconds(nanoseconds), milliseconds(nanoseconds)) == (micro, milli)


@pytest.mark.parametrize(("count", "text"), [(0, "0.0 KB"), (49_449, "49.4 KB"), (1_234_567, "1,234.6 KB")])
def test_bytes_become_thousands_of_bytes(count: int, text: str) -> None:
    """KB is 1,000 bytes."""
    assert kilobytes(count) == text


@pytest.mark.parametrize(
    ("accuracy", "text"),
    [
        (None, "-"),
        (Accuracy(9_936, 10_000, (99.182, 99.5)), "99.36 % (99.18 to 99.50)"),
        (Accuracy(0, 3, (0.0, 56.15)), "0.00 % (0.00 to 56.15)"),
    ],
)
def test_an_accuracy_comes_with_its_interval(accuracy: Accuracy | None, text: str) -> None:
    """In percent, two decimals."""
    assert accuracy_text(accuracy) == text


@pytest.mark.parametrize(("threads", "text"), [(1, "1 thread"), (4, "4 threads")])
def test_where_results_are_from_fits_one_line(threads: int, text: str) -> None:
    """Board, processor, cores, memory, system, versions, threads, batch."""
    expected = f"Pi 4: Cortex-A72, 4 cores, 4 GiB, Linux 6.6, Python 3.11.2, ai-edge-litert 2.3.0, {text}, batch 1"
    assert machine_line(bench_result(threads=threads)) == expected
