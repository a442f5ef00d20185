"""Interleaved measurement, with invented classifiers on an invented clock."""

import gc
from collections import Counter
from itertools import groupby
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.runner.in_process import WARMUP, measure
from benchmarks.runner.scheduler import count_rounds
from benchmarks.worker import timer
from edge_runtime.inference.classifier import Classifier

IMAGES = np.arange(7, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)


class _Clock:
    """A clock that stands still but for the calls of classifiers."""

    now = 0


class _Fake(Classifier):
    """A classifier whose every call takes `cost` nanoseconds; it writes down its name and the image it saw."""

    def __init__(self, name: str, cost: int, clock: _Clock, calls: list[tuple[str, int]]) -> None:
        self.name, self.cost, self.clock, self.calls = name, cost, clock, calls

    def classify(self, image: NDArray[np.uint8]) -> SimpleNamespace:  # type: ignore[override]
        assert not (gc.isenabled() and len(self.calls) >= 3 * WARMUP), "the collector may interrupt a timed call"
        self.calls.append((self.name, int(image[0, 0])))
        self.clock.now += self.cost
        return SimpleNamespace(label="7")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The clock that measuring looks at."""
    clock = _Clock()
    monkeypatch.setattr(timer, "time", SimpleNamespace(perf_counter_ns=lambda: clock.now))
    return clock


def _measured(clock: _Clock, samples: int, seed: int = 0) -> tuple[list[list[int]], list[tuple[str, int]]]:
    calls: list[tuple[str, int]] = []
    fakes = [_Fake(name, cost, clock, calls) for name, cost in (("a", 100), ("b", 250), ("c", 7))]
    return measure(fakes, IMAGES, samples, seed), calls


def _turns(calls: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Who was called how often in a row, after the warm-up."""
    return [(name, len(list(group))) for name, group in groupby(name for name, _ in calls[3 * WARMUP :])]


@pytest.mark.parametrize("samples", [1, 49, 50, 51, 130])
def test_each_model_gets_its_own_samples(clock: _Clock, samples: int) -> None:
    """As many as were asked for, each the time of that model's call and of nothing else."""
    assert _measured(clock, samples)[0] == [[100] * samples, [250] * samples, [7] * samples]


def test_warm_up_calls_come_first_and_are_not_kept(clock: _Clock) -> None:
    """A hundred of each model before anything is kept."""
    _, calls = _measured(clock, 1)
    assert [(name, len(list(group))) for name, group in groupby(name for name, _ in calls[: 3 * WARMUP])] == [
        ("a", WARMUP),
        ("b", WARMUP),
        ("c", WARMUP),
    ]


def test_models_take_turns_in_rounds(clock: _Clock) -> None:
    """Every model once a round: 5 calls that are not kept and 50 that are; the last round has the rest."""
    _, calls = _measured(clock, 120)
    counts = Counter(name for name, _ in calls[3 * WARMUP :])
    assert counts == dict.fromkeys("abc", 55 + 55 + 25)
    shares = [[name for name, _ in calls[3 * WARMUP + 165 * number :][:165]] for number in range(2)]
    assert all(Counter(share) == dict.fromkeys("abc", 55) for share in shares)


def test_the_order_is_random_by_its_seed(clock: _Clock) -> None:
    """Not the same in all rounds; the same seed gives the same, another seed another order."""
    orders = [_turns(_measured(clock, 1_000, seed)[1]) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    names = [name for name, _ in orders[0]]
    assert names != ["a", "b", "c"] * 20


def test_every_image_has_its_turn(clock: _Clock) -> None:
    """The images are taken one after the other, the same for every model."""
    _, calls = _measured(clock, 50)
    for name in "abc":
        seen = [image for caller, image in calls[3 * WARMUP :] if caller == name]
        assert seen == [number % 7 for number in [*range(5), *range(50)]]


@pytest.mark.parametrize(("samples", "count"), [(1, 1), (50, 1), (51, 2), (2_000, 40)])
def test_progress_has_a_step_for_every_round(clock: _Clock, samples: int, count: int) -> None:
    """As often as `count_rounds` promises."""
    steps: list[int] = []
    measure([_Fake("a", 1, clock, [])], IMAGES, samples, step=lambda: steps.append(1))
    assert len(steps) == count_rounds(samples) == count


def test_the_garbage_collector_is_put_back_even_after_an_error(clock: _Clock) -> None:
    """It rests while calls are timed, and works again afterwards."""

    def fail() -> None:
        assert not gc.isenabled()
        raise KeyboardInterrupt

    assert gc.isenabled()
    with pytest.raises(KeyboardInterrupt):
        measure([_Fake("a", 1, clock, [])], IMAGES, 10, step=fail)
    assert gc.isenabled()
