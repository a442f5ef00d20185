"""What `digits bench` and `digits pipeline` print of a result: one table, and one line per kind of warning."""

from dataclasses import replace

import pytest

from benchmarks.reporting.tables import HEADER, drop_empty_columns
from benchmarks.reporting.terminal import closing_lines, result_lines, rounded_time
from benchmarks.reporting.warnings import summary, warnings
from benchmarks.results.results import GoldenCheck, ModelResult, Peaks
from edge_runtime.common.intervals import Accuracy
from tests.benchmarks.samples import MACHINE, bench_result, many_processes, turns


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


PI = replace(MACHINE, board="Raspberry Pi 4 Model B Rev 1.4")
GOLDEN = GoldenCheck(16, 16, passed=True)


def _small(**changes: object) -> ModelResult:
    accuracy = Accuracy(9_962, 10_000, (99.48, 99.72))
    fields = {"name": "small", "accuracy": accuracy, "accuracy_stated": True, "golden": GOLDEN, "photo": turns([12_300_000] * 3)}
    return many_processes([41_400] * 8, **{**fields, **changes})


def test_a_result_ends_in_a_line_for_each_model() -> None:
    """What a user of the board wants to know, and where the accuracy is from; a float model has the name that commands take."""
    fp32 = _small(name="base", recipe="float32", accuracy_stated=False)
    theirs = _small(way="tf.lite", golden=None, accuracy_stated=False)
    small, base = closing_lines(bench_result(_small(), fp32, theirs, machine=PI))
    assert small == (
        "small on Raspberry Pi 4 Model B: 41 us a digit, 12 ms a photo, "
        "99.62 % right (as proven at conversion; 16 of 16 golden images equal here), 38 MB, 0.11 s to the first answer"
    )
    assert base.startswith(
        "base-fp32 on Raspberry Pi 4 Model B: 41 us a digit, 12 ms a photo, 99.62 % right (of 10,000 images here; "
    )


def test_what_is_unknown_is_left_out_or_said() -> None:
    """A board without a name has its processor's; a model that golden images refute has no accuracy."""
    nameless = replace(MACHINE, board="aarch64", cpu="aarch64 processor 0x41 0xd08")
    unknown = {"accuracy": None, "accuracy_stated": False, "photo": (), "cold": ()}
    models = [
        _small(**unknown, name="a", golden=GoldenCheck(13, 16, passed=False)),
        _small(**unknown, name="b", golden=GoldenCheck(16, 16, passed=False)),
        _small(**unknown, name="c", golden=None, recipe="unknown"),
    ]
    on = "on aarch64 processor 0x41 0xd08: 41 us a digit, accuracy unknown"
    assert closing_lines(bench_result(*models, machine=nameless)) == [
        f"a {on} (13 of 16 golden images equal here)",
        f"b {on} (16 of 16 golden images equal here, outputs out of tolerance)",
        f"c {on}",
    ]


def test_stated_accuracies_have_a_note() -> None:
    """Below the table; measured ones have none."""
    stated, measured = (list(result_lines(bench_result(_small(accuracy_stated=found)))) for found in (True, False))
    assert stated[2].startswith("note: accuracies are those of the manifests, proven at conversion")
    assert stated[:2] + stated[3:] == measured


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        *((0, "0 us"), (1, "0.001 us"), (4_649, "4.6 us"), (41_400, "41 us"), (612_345, "610 us"), (999_499, "1 ms")),
        *((12_300_000, "12 ms"), (99_600_000, "0.1 s"), (412_000_000, "0.41 s"), (12_345_678_901, "12 s")),
    ],
)
def test_a_time_for_people_has_two_digits(nanoseconds: int, text: str) -> None:
    """In the unit in which it is no long number."""
    assert rounded_time(nanoseconds) == text


def test_columns_with_a_value_stay() -> None:
    """A dash or nothing is no value; a table without rows keeps its header."""
    assert drop_empty_columns(("a", "b", "c"), [("1", "-", ""), ("2", "", "3")]) == (("a", "c"), [("1", ""), ("2", "3")])
    assert drop_empty_columns(HEADER, []) == (HEADER, [])
