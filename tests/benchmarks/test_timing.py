"""Timing in one process, on an invented clock."""

import gc
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import timing
from benchmarks.timing import clock_step, empty_calls, group_size, no_collection, settle, time_calls


class _Clock:
    """A clock that stands still but for the calls that are timed."""

    now = 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The clock that timing looks at."""
    clock = _Clock()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter_ns=lambda: clock.now))
    return clock


def test_every_sample_is_the_time_of_its_calls(clock: _Clock) -> None:
    """Single calls, or groups of them; inputs are taken one after the other, from the given one on."""
    seen: list[int] = []

    def call(cost: int) -> None:
        seen.append(cost)
        clock.now += cost

    assert time_calls(call, [1, 10, 100], 1, 4) == [10, 100, 1, 10]
    assert time_calls(call, [1, 10, 100], 0, 2, group=3) == [111, 111]
    assert seen == [10, 100, 1, 10, 1, 10, 100, 1, 10, 100]


def test_a_warm_up_lasts_until_the_calls_are_steady(clock: _Clock) -> None:
    """Here they become quicker for 200 calls; the last three windows agree."""
    calls = 0

    def call(_: object) -> None:
        nonlocal calls
        clock.now += max(1_000, 3_000 - 10 * calls)
        calls += 1

    found = settle(call, [None])
    assert found.agreed
    assert found.calls == calls
    assert 200 < calls <= 200 + 3 * timing.WINDOW + timing.WINDOW
    assert found.median_ns == 1_000


def test_a_warm_up_that_never_settles_ends_and_says_so(clock: _Clock) -> None:
    """After two seconds."""

    def call(_: object) -> None:
        clock.now += 1_000_000 + clock.now // 20

    found = settle(call, [None])
    assert not found.agreed
    assert clock.now >= timing.LONGEST_WARM_UP


def test_slow_calls_settle_in_time(clock: _Clock) -> None:
    """Windows of five, the first call apart: 32 calls of 40 ms would be more than a second each."""
    calls = 0

    def call(_: object) -> None:
        nonlocal calls
        calls += 1
        clock.now += 900_000_000 if calls == 1 else 40_000_000

    found = settle(call, [None])
    assert (found.calls, found.agreed, found.median_ns) == (15, True, 40_000_000)


def test_one_interruption_does_not_prolong_a_warm_up(clock: _Clock) -> None:
    """Medians do not see it."""
    calls = 0

    def call(_: object) -> None:
        nonlocal calls
        calls += 1
        clock.now += 50_000 if calls == 40 else 1_000

    assert settle(call, [None]).calls == 3 * timing.WINDOW


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_group_is_just_long_enough_for_the_clock(call_ns: int, step_ns: int) -> None:
    """At least 20 us and 200 steps, and one call less would not be."""
    group, shortest = group_size(call_ns, step_ns), max(20_000, 200 * step_ns)
    assert group * call_ns >= shortest or group == timing.MOST_GROUP
    assert group == 1 or (group - 1) * call_ns < shortest


def test_the_harness_measures_itself() -> None:
    """On the real clock: a step above 0, and calls that do nothing take some time, though less than a tenth of a millisecond each."""
    assert 0 < clock_step() < 1_000_000
    found = empty_calls(100)
    assert len(found) == 100
    assert 0 <= sorted(found)[50] < 100_000


def test_the_garbage_collector_is_put_back_even_after_an_error() -> None:
    """It rests while calls are timed."""
    seen = []

    def interrupted() -> None:
        with no_collection():
            seen.append(gc.isenabled())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (seen, gc.isenabled()) == ([False], True)
