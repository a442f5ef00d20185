"""What `digits bench` and `digits pipeline` print of a result: one table, and one line per kind of warning."""

from benchmarks.reporting.tables import HEADER, drop_empty_columns
from benchmarks.reporting.terminal import result_lines
from benchmarks.reporting.warnings import summary, warnings
from benchmarks.results.results import Peaks
from tests.benchmarks.samples import bench_result, many_processes


def test_a_kind_of_warning_is_one_line_with_a_count() -> None:
    """Three models with too few samples, and one whose processes differ; the text of a single warning is stated."""
    models = [many_processes([100_000] * 9, name=name) for name in "ab"]
    uneven = many_processes([100_000] * 8 + [112_000], name="c")
    result = bench_result(*models, uneven)
    assert len(warnings(result)) == 4
    assert summary(result) == [
        "too few samples for a p99, which needs 1,000: 3 models",
        "c int8: the medians of the processes differ by up to 12 %",
    ]


def test_a_result_is_one_table_and_its_warnings() -> None:
    """Without columns that are empty; times at numpy's speed are in the report alone. What could not be measured follows."""
    result = bench_result(
        *(many_processes([100_000] * 9, name=name, accuracy=None, cold=()) for name in "ab"),
        limits=Peaks((5e10,), (1e12,)),
        absent=("OpenVINO: openvino is not installed",),
    )
    machine, table, *rest = result_lines(result)
    assert machine.startswith("Pi 4: ")
    assert table.splitlines()[0].split("  ")[0] == "model"
    assert not any(name in table for name in ("accuracy", "p99", "cold start", "memory"))
    assert len(table.splitlines()) == 3
    assert rest == [
        "warning: too few samples for a p99, which needs 1,000: 2 models",
        "not measured: OpenVINO: openvino is not installed",
    ]


def test_columns_with_a_value_stay() -> None:
    """A dash or nothing is no value; a table without rows keeps its header."""
    assert drop_empty_columns(("a", "b", "c"), [("1", "-", ""), ("2", "", "3")]) == (("a", "c"), [("1", ""), ("2", "3")])
    assert drop_empty_columns(HEADER, []) == (HEADER, [])
