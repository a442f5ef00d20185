"""Warnings about a result: each cause planted, with its figure in the text."""

from dataclasses import replace

import pytest

from benchmarks.reporting.warnings import warnings
from benchmarks.results.results import BenchResult, Condition, GoldenCheck, Start
from tests.benchmarks.samples import COLD, QUIET, bench_result, many_processes, model_result, turns

STEADY = many_processes([100_000] * 10)
CLOCKED = (replace(QUIET, megahertz=500.0), replace(QUIET, when="process 1"))


def test_reliable_results_have_no_warning() -> None:
    """A quiet machine, a fine clock, steady times, 8-bit activations, ten processes that agree."""
    assert warnings(bench_result(STEADY)) == []


WARNINGS = {
    "other work in one process": (
        bench_result(STEADY, conditions=(QUIET, replace(QUIET, when="process 3", busy_percent=61.7))),
        "other programs kept the machine up to 62 % busy: process 3",
    ),
    "other work all the time": (
        bench_result(STEADY, conditions=(replace(QUIET, busy_percent=40.0),) * 2),
        "other programs kept the machine up to 40 % busy: throughout",
    ),
    "a host that takes time": (
        bench_result(STEADY, conditions=(QUIET, replace(QUIET, stolen_percent=7.0))),
        "the hypervisor took up to 7 % of the CPU time",
    ),
    "throttling": (
        bench_result(STEADY, conditions=(QUIET, replace(QUIET, throttled=0x50005))),
        "the board was throttled, or its supply voltage too low (firmware bits 0x50005)",
    ),
    "throttling that is over, and new": (
        bench_result(STEADY, conditions=(replace(QUIET, throttled=0x10000), replace(QUIET, throttled=0x50000))),
        "the board was throttled, or its supply voltage too low (firmware bits 0x50000)",
    ),
    "waiting for a processor": (
        bench_result(STEADY, conditions=(QUIET, replace(QUIET, when="process 2", waited_percent=31.4))),
        "the measured processes waited for a processor up to 31 % of the time: process 2",
    ),
    "a clock that falls": (
        bench_result(STEADY, conditions=(*CLOCKED, replace(QUIET, when="process 2", megahertz=1_000.0))),
        "the CPU frequency changed between 1,000 and 1,500 MHz",
    ),
    "a governor that changed": (
        bench_result(STEADY, conditions=(QUIET, replace(QUIET, governor="powersave"))),
        "the frequency governor changed during the run",
    ),
    "a coarse clock": (
        bench_result(STEADY, clock_step_ns=(1_000,)),
        "the clock is coarse: its step of 1,000 ns is 1.0 % of the shortest sample",
    ),
    "a costly harness": (bench_result(STEADY, empty_ns=(400, 410, 90)), "the harness adds 400 ns to each sample"),
    "a costly clock": (
        bench_result(STEADY, empty_ns=(400,), clock_cost_ns=(290, 300)),
        "the harness adds 400 ns to each sample, 300 of them to read the clock",
    ),
    "too few samples": (
        bench_result(many_processes([100_000] * 9)),
        "cnn int8: 900 samples are too few for a p99, which needs 1,000",
    ),
    "noise": (
        bench_result(
            replace(STEADY, turns=tuple(replace(turn, samples_ns=(100_000,) * 40 + (300_000,) * 10) for turn in STEADY.turns))
        ),
        "cnn int8: p90 is 3.0 times the median, so times are noisy",
    ),
    "processes that disagree": (
        bench_result(many_processes([100_000] * 9 + [112_000])),
        "cnn int8: the medians of the processes differ by up to 12 %",
    ),
    "one process": (
        bench_result(model_result([100_000] * 1_000)),
        "the run had a single process, so the variation between processes is unknown",
    ),
    "interruptions": (
        bench_result(replace(STEADY, turns=tuple(replace(turn, preempted=1) for turn in STEADY.turns))),
        "cnn int8: other work interrupted it 20 times in 0.10 s of calls",
    ),
    "a long tail": (
        bench_result(replace(STEADY, turns=tuple(replace(turn, samples_ns=(100_000,) * 49 + (450_000,)) for turn in STEADY.turns))),
        "cnn int8: p99 is 4.5 times the median",
    ),
    "stalls": (
        bench_result(
            replace(
                STEADY,
                turns=tuple(
                    replace(turn, samples_ns=(10**9, *turn.samples_ns[1:])) if turn.process < 3 and turn.round == 0 else turn
                    for turn in STEADY.turns
                ),
            )
        ),
        "cnn int8: single calls took up to 10,000 times the median, in 3 processes",
    ),
    "golden images that differ": (
        bench_result(replace(STEADY, golden=GoldenCheck(13, 16, passed=False))),
        "cnn int8: golden images differ from the recorded outputs: 13 of 16 have the recorded label",
    ),
    "cold starts that differ": (
        bench_result(replace(STEADY, cold=(*COLD, replace(COLD[0], imports_ns=300_000_000)))),
        "cnn int8: cold starts differ: imports took up to 300 ms, median 90 ms",
    ),
    "a warm-up without end": (
        bench_result(replace(STEADY, starts=tuple(Start(process, 9_000, process > 0) for process in range(10)))),
        "cnn int8: the warm-up did not settle in 1 of 10 processes",
    ),
    "slow kernels": (
        bench_result(STEADY, many_processes([250_000] * 10, recipe="static_wi8_ai16")),
        "int16x8 runs in reference kernels, without XNNPACK, and is slower than int8: cnn 2.5 times",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_every_cause_has_its_warning(case: str) -> None:
    """In one line with its figure, and no other warning."""
    result, text = WARNINGS[case]
    assert isinstance(result, BenchResult)
    assert [found for found in warnings(result) if not found.startswith("the reference model")] == [text]


def test_the_reference_model_has_warnings_too() -> None:
    """Because runs are compared by it."""
    shaky = many_processes([100_000] * 9 + [112_000], name="reference")
    text = "the reference model reference int8: the medians of the processes differ by up to 12 %"
    assert warnings(bench_result(STEADY, reference=shaky)) == [text]


@pytest.mark.parametrize(
    "conditions",
    [
        (replace(QUIET, throttled=0x50000), replace(QUIET, when="after", throttled=0x50000)),
        (replace(QUIET, megahertz=600.0), replace(QUIET, when="process 1"), replace(QUIET, when="after", megahertz=600.0)),
        (QUIET, replace(QUIET, when="process 1", waited_percent=1.9)),
    ],
)
def test_what_was_before_the_run_is_no_warning(conditions: tuple[Condition, ...]) -> None:
    """Low voltage of another day, an idle frequency below the working one, a little waiting."""
    assert warnings(bench_result(STEADY, conditions=conditions)) == []


def test_a_slow_model_is_interrupted_more_often() -> None:
    """Its calls last longer, so interruptions count by their time; a few are chance."""
    slow = tuple(replace(turn, preempted=2, samples_ns=(40_000_000,) * 50) for turn in STEADY.turns)
    few = (*(replace(turn, preempted=1) for turn in STEADY.turns[:4]), *STEADY.turns[4:])
    for turns_of in (slow, few):
        model = replace(STEADY, turns=turns_of)
        assert warnings(bench_result(model, reference=STEADY)) == []


def test_small_parts_of_cold_starts_may_vary() -> None:
    """A first answer of 3 ms instead of 1 ms does not matter in a cold start of a tenth of a second."""
    parts = [replace(COLD[0], first_ns=ns) for ns in (1_000_000, 1_000_000, 3_000_000)]
    assert warnings(bench_result(replace(STEADY, cold=tuple(parts)))) == []


def test_a_clock_that_is_fine_enough_for_groups_is_no_warning() -> None:
    """The samples of the median count."""
    single, grouped = turns([2_000] * 1_000), turns([40_000] * 100, group=20)
    result = bench_result(model_result(turns=(*single, *grouped)), clock_step_ns=(50,))
    assert not any("coarse" in text for text in warnings(result))
    assert any("coarse" in text for text in warnings(bench_result(model_result(turns=single), clock_step_ns=(50,))))


@pytest.mark.parametrize(("step", "warned"), [(40, False), (10_001, True)])
def test_few_samples_are_no_coarse_clock(step: int, warned: bool) -> None:
    """Three single calls of 100 us: only the clock's step decides."""
    result = bench_result(many_processes([100_000]), clock_step_ns=(step,))
    few = replace(result, models=(replace(result.models[0], turns=turns([100_000] * 3)),))
    assert any("is too coarse for single calls" in text for text in warnings(few)) == warned


@pytest.mark.parametrize(("count", "counts"), [(1, ["1 sample"]), (19, ["19 samples"]), (20, [])])
def test_the_median_of_few_samples_is_uncertain(count: int, counts: list[str]) -> None:
    """It has no interval either."""
    model = model_result([100_000] * count)
    expected = [f"{model.label}: the median of {text} is uncertain and has no interval, which needs 20" for text in counts]
    assert [text for text in warnings(bench_result(model)) if "is uncertain" in text] == expected
