"""Timing in one process, on an invented clock."""

import gc
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.worker import timer
from benchmarks.worker.timer import clock_cost, clock_step, empty_calls, group_size, no_collection, settle, time_calls, typical_ns
from tests.clocks.sitecustomize import Invented


class _Clock:
    """A clock that stands still but for the calls that are timed."""

    now = 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The clock that timing looks at."""
    clock = _Clock()
    monkeypatch.setattr(timer, "time", SimpleNamespace(perf_counter_ns=lambda: clock.now))
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
    assert 200 < calls <= 200 + 3 * timer.WINDOW + timer.WINDOW
    assert found.median_ns == 1_000


def test_a_warm_up_that_never_settles_ends_and_says_so(clock: _Clock) -> None:
    """After two seconds."""

    def call(_: object) -> None:
        clock.now += 1_000_000 + clock.now // 20

    found = settle(call, [None])
    assert not found.agreed
    assert clock.now >= timer.LONGEST_WARM_UP


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
    """Medians ignore it."""
    calls = 0

    def call(_: object) -> None:
        nonlocal calls
        calls += 1
        clock.now += 50_000 if calls == 40 else 1_000

    assert settle(call, [None]).calls == 3 * timer.WINDOW


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_group_is_just_long_enough_for_the_clock(call_ns: int, step_ns: int) -> None:
    """At least 20 us and 200 steps, and one call less would not be."""
    group, shortest = group_size(call_ns, step_ns), max(20_000, 200 * step_ns)
    assert group * call_ns >= shortest or group == timer.MAX_GROUP
    assert group == 1 or (group - 1) * call_ns < shortest


@pytest.mark.parametrize(("step", "cost"), [(1, 300), (1, 40), (2, 90), (1_000, 50), (100_000, 30), (1_000, 1_000)])
def test_a_step_is_not_what_a_reading_costs(monkeypatch: pytest.MonkeyPatch, step: int, cost: int) -> None:
    """Neither is mistaken for the other, whichever is longer."""
    monkeypatch.setattr(timer, "time", SimpleNamespace(perf_counter_ns=Invented(step, cost)))
    assert clock_step() == step
    assert clock_cost(step) == pytest.approx(cost, rel=0.01)


@pytest.mark.parametrize(("tick", "step"), [(10.014, 10), (18.52, 18), (52.08, 52), (1 / 2.6, 1), (41.67, 41), (1_000.0, 1_000)])
def test_steps_that_are_no_whole_nanoseconds_are_found(monkeypatch: pytest.MonkeyPatch, tick: float, step: int) -> None:
    """Of the clocks of real machines, read for 67 ns and now and then for much longer, in any order."""
    random, now = Random(0), 0.0

    def clock() -> int:
        nonlocal now
        now += random.gauss(67, 9) if random.random() < 0.99 else random.uniform(1_000, 100_000)
        return int(now // tick * tick)

    monkeypatch.setattr(timer, "time", SimpleNamespace(perf_counter_ns=clock))
    assert step <= clock_step() <= step + 1


def test_the_real_clock_has_a_step_and_a_cost() -> None:
    """Whatever they are here."""
    step = clock_step()
    assert step > 0
    assert clock_cost(step) > 0


def test_empty_calls_take_a_reading_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As all other samples do, once each."""
    monkeypatch.setattr(timer, "time", SimpleNamespace(perf_counter_ns=Invented(1, 300)))
    found = empty_calls(100)
    assert len(found) == 100
    assert set(found) <= {299, 300, 301}


def test_a_busy_moment_makes_no_group_too_short(clock: _Clock) -> None:
    """A call of 1 us that is held up twenty-fold at first, and again later, is known by its fastest try."""
    calls = 0

    def call(_: object) -> None:
        nonlocal calls
        calls += 1
        clock.now += 20_000 if calls < 10 or 70 < calls < 120 else 1_000

    assert typical_ns(call, [None], 20_000, 1) == 1_000
    assert typical_ns(call, [None], 200_000, 1) == 200_000  # surely long enough by itself


def test_a_mean_lasts_as_long_as_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a coarse clock too: a call of 3,333 ns is known to half a percent by steps of 1 us, with the reading in it."""
    coarse = Invented(1_000, 50)
    monkeypatch.setattr(timer, "time", SimpleNamespace(perf_counter_ns=coarse))
    assert typical_ns(coarse.advance, [3_333], 3_000, 1_000) == pytest.approx(3_333, rel=0.005)


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
