"""Choosing by limits, on models whose figures are plain."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.comparison.choose import Limits, choose, is_shipped, next_command
from benchmarks.comparison.comparable import Named
from benchmarks.results.results import ModelResult
from edge_runtime.common.intervals import Accuracy, wilson_interval
from edge_runtime.errors import InputError
from edge_runtime.model.model_file import MODELS, read_model_file
from tests.benchmarks.samples import MACHINE, bench_result, many_processes


def _model(name: str, microseconds: int, correct: int, size: int) -> ModelResult:
    accuracy = Accuracy(correct, 10_000, wilson_interval(correct, 10_000))
    return many_processes(
        [microseconds * 1_000] * 2, name=name, file=f"{name}-int8.tflite", accuracy=accuracy, file_bytes=size, payload_bytes=1
    )


BIG, MIDDLE, LITTLE, BAD = (
    _model("big", 100, 9_980, 90_000),
    _model("middle", 20, 9_950, 40_000),
    _model("little", 5, 9_900, 10_000),
    _model("bad", 30, 9_890, 50_000),
)
NAMED = Named("pi", bench_result(BIG, MIDDLE, LITTLE, BAD))


def test_without_limits_the_most_accurate_is_picked() -> None:
    """The front has the options that no other dominates; the runner-up is the next accurate one."""
    found = choose([NAMED], Limits())
    assert [option.model.name for option in found.front] == ["little", "middle", "big"]
    assert found.pick is not None
    assert found.runner_up is not None
    assert (found.pick.model, found.runner_up.model, found.excluded) == (BIG, MIDDLE, {})


def test_an_option_is_what_was_measured() -> None:
    """In the order of the files, with board, microseconds, percent and bytes; without other ways and models without accuracy."""
    unknown, other_way = replace(MIDDLE, name="unknown", accuracy=None), replace(MIDDLE, way="tf.lite")
    found = choose([Named("first", bench_result(unknown, other_way, BIG)), Named("second", bench_result(LITTLE))], Limits())
    assert found.board == "Pi 4"
    assert [(option.board, option.model, option.latency_us, option.percent, option.bytes) for option in found.options] == [
        ("Pi 4", BIG, 100.0, 99.8, 90_000),
        ("Pi 4", LITTLE, 5.0, 99.0, 10_000),
    ]


def test_what_is_measured_on_another_board_does_not_count() -> None:
    """Even if it is better."""
    other = Named("other", bench_result(BIG, machine=replace(MACHINE, board="Pi 5")))
    found = choose([other, Named("pi", bench_result(LITTLE))], Limits(), "Pi 4")
    assert (found.board, [option.model for option in found.options], found.runner_up) == ("Pi 4", [LITTLE], None)


@pytest.mark.parametrize(
    ("limits", "pick", "excluded"),
    [
        (Limits(max_latency_us=50), "middle", {"at most 50 us": ["big"]}),
        (Limits(max_latency_us=20), "middle", {"at most 20 us": ["big", "bad"]}),
        (Limits(max_bytes=40_000), "middle", {"at most 40,000 bytes": ["big", "bad"]}),
        (Limits(max_bytes=39_999), "little", {"at most 39,999 bytes": ["big", "middle", "bad"]}),
        (
            Limits(0, 0, 0),
            None,
            {
                "at most 0 us": ["big", "middle", "little", "bad"],
                "at least 0 % accuracy": [],
                "at most 0 bytes": ["big", "middle", "little", "bad"],
            },
        ),
        (Limits(min_accuracy=99.0), "big", {"at least 99 % accuracy": ["bad"]}),
        (
            Limits(max_latency_us=10, min_accuracy=99.5),
            None,
            {"at most 10 us": ["big", "middle", "bad"], "at least 99.5 % accuracy": ["little", "bad"]},
        ),
    ],
)
def test_limits_exclude_and_say_what(limits: Limits, pick: str | None, excluded: dict[str, list[str]]) -> None:
    """A value equal to the limit is within it."""
    found = choose([NAMED], limits)
    assert (found.pick and found.pick.model.name) == pick
    assert {limit: [option.model.name for option in options] for limit, options in found.excluded.items()} == excluded


def test_of_equally_accurate_models_the_faster_is_picked() -> None:
    """And of equally fast ones the smaller."""
    slow, fast, small = _model("slow", 9, 9_900, 1), _model("fast", 8, 9_900, 3), _model("small", 8, 9_900, 2)
    found = choose([Named("pi", bench_result(slow, fast, small))], Limits())
    assert found.pick is not None
    assert found.runner_up is not None
    assert (found.pick.model.name, found.runner_up.model.name) == ("small", "fast")


def test_one_image_of_10_000_does_not_outweigh_a_quarter_of_the_time() -> None:
    """An accuracy within the 95 % interval of the best one (99.03 to 99.37 % here) is equal to it; one below it is not."""
    int4, int8, worse = _model("int4", 30, 9_922, 40_000), _model("int8", 8, 9_921, 60_000), _model("worse", 1, 9_902, 9_000)
    found = choose([Named("pi", bench_result(int4, int8, worse))], Limits())
    assert found.pick is not None
    assert [option.model.name for option in found.equal] == ["int8", "int4"]
    assert found.pick.model.name == "int8"


def test_of_equally_fast_models_the_smaller_is_picked() -> None:
    """A median within the 95 % interval of the fastest model's median, 7 to 9 us here, is equal to it."""
    times = {"fast": [7_900, 8_000, 8_100], "small": [8_050, 8_100, 8_150], "slow": [12_000, 12_000, 12_001]}
    fast, small, slow = (
        replace(_model(name, 1, 9_900, size), turns=many_processes(medians).turns, starts=many_processes(medians).starts)
        for (name, medians), size in zip(times.items(), (50_000, 40_000, 30_000), strict=True)
    )
    found = choose([Named("pi", bench_result(fast, small, slow))], Limits())
    assert found.pick is not None
    assert found.pick.model.name == "small"


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(9_000, 9_009), st.integers(1, 9)), min_size=1, max_size=8))
def test_the_front_is_what_nothing_beats(figures: list[tuple[int, int, int]]) -> None:
    """By the definition, over all pairs; the pick is always on it."""
    models = [_model(f"m{number}", *found) for number, found in enumerate(figures)]
    found = choose([Named("pi", bench_result(*models))], Limits())
    keys = [(time, -correct, size) for time, correct, size in figures]
    front = {
        f"m{number}"
        for number, mine in enumerate(keys)
        if not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in keys)
    }
    assert {option.model.name for option in found.front} == front
    assert found.pick is not None
    assert found.pick.model.name in front


@pytest.mark.parametrize(
    ("results", "board", "problem"),
    [
        (("Pi 4", "Pi 5"), None, "results are of 2 boards; choose one with --board: Pi 4, Pi 5"),
        (("Pi 4", "Pi 5"), "Pi 3", "^no results of board Pi 3; the results are of Pi 4, Pi 5$"),
        (("Pi 4", "Pi 4"), None, "cnn int8 is in two of the files"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(results: tuple[str, ...], board: str | None, problem: str) -> None:
    """The message says what to do."""
    named = [Named(name, bench_result(machine=replace(MACHINE, board=name))) for name in results]
    with pytest.raises(InputError, match=problem):
        choose(named, Limits(), board)


def test_models_without_an_accuracy_are_no_choice() -> None:
    """Their accuracy is unknown."""
    with pytest.raises(InputError, match="have no model with an accuracy"):
        choose([Named("pi", bench_result(replace(MIDDLE, accuracy=None)))], Limits())


SMALL = read_model_file(MODELS / "small-int8.tflite").sha256


@pytest.mark.parametrize(
    ("changes", "shipped", "command"),
    [
        ({"name": "small", "file": "small-int8.tflite", "sha256": SMALL}, True, "digits verify small-int8"),
        ({"name": "mine", "file": "copy.tflite", "sha256": SMALL}, True, "digits verify small-int8"),
        ({"name": "small", "file": "small-int8.tflite"}, False, "digits verify small-int8.tflite"),
        ({"name": "my own", "file": "best one.tflite", "recipe": "static_wi4_ai8"}, False, "digits verify 'best one.tflite'"),
        ({"name": "a b", "file": "a b.tflite", "recipe": "unknown"}, False, "digits inspect 'a b.tflite'"),
    ],
)
def test_the_next_command_checks_the_pick(changes: dict[str, Any], shipped: bool, command: str) -> None:
    """Shipped models are recognised by content, not by name. A file without a manifest has no golden images to verify."""
    found = choose([Named("pi", bench_result(replace(MIDDLE, **changes)))], Limits())
    assert found.pick is not None
    assert (is_shipped(found.pick), next_command(found.pick)) == (shipped, command)
