"""Estimates of the remaining time: ranges that contain the true time."""

import heapq
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.config.training_config import TrainingConfig
from train.experiments.estimate import time_left
from train.experiments.grid import Grid

CELLS = Grid().cells
RELU = TrainingConfig("mlp", hidden=(128,), epochs=10)


def _seed(config: TrainingConfig, seed: int) -> TrainingConfig:
    return replace(config, seed=seed)


def test_before_anything_is_measured_nothing_is_said() -> None:
    """Nor without workers."""
    assert time_left(CELLS, [], 2) is None
    assert time_left(CELLS, [(CELLS[0], 3.0)], 0) is None


def test_nothing_to_do_takes_no_time() -> None:
    """As for the last line of an experiment."""
    assert time_left([], [(CELLS[0], 3.0)], 2) == (0, 0)


def test_cells_that_differ_in_their_seed_cost_what_their_like_did() -> None:
    """One worker, three cells of 8 to 10 seconds each."""
    measured = [(_seed(RELU, 0), 8.0), (_seed(RELU, 1), 10.0)]
    assert time_left([_seed(RELU, seed) for seed in (2, 3, 4)], measured, 1) == pytest.approx((24, 30))


def test_cells_of_other_epochs_cost_in_proportion() -> None:
    """Twice the epochs of the same network take twice the time."""
    assert time_left([replace(RELU, epochs=20)], [(RELU, 8.0)], 1) == pytest.approx((16, 16))


def test_a_larger_network_is_not_taken_to_cost_the_same() -> None:
    """Between a cost per step and a cost per multiplication: 784 x 1,280 + 12,800 are ten times those of 128 units."""
    low, high = time_left([replace(RELU, hidden=(1280,))], [(RELU, 8.0)], 1) or (0, 0)
    assert (low, high) == pytest.approx((8, 80))


@pytest.mark.parametrize("other", [replace(RELU, activation="gelu"), replace(RELU, optimizer="sgd")])
def test_another_activation_or_optimiser_widens_the_range(other: TrainingConfig) -> None:
    """Half to twice."""
    assert time_left([other], [(RELU, 8.0)], 1) == pytest.approx((4, 16))


def test_what_is_most_like_counts() -> None:
    """A measured network with one more layer gives a narrower range than one without layers."""
    measured = [(TrainingConfig("linear", epochs=10), 1.0), (replace(RELU, hidden=(128,) * 3), 9.0)]
    low, high = time_left([replace(RELU, hidden=(128,) * 2)], measured, 1) or (0, 0)
    assert 7 < low < high <= 9


def test_work_under_way_shortens_the_least_but_not_the_most() -> None:
    """Workers may have spent the time on starting up."""
    assert time_left([_seed(RELU, 1)] * 4, [(RELU, 10.0)], 2, underway=15) == pytest.approx((12.5, 25))


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=40), st.integers(1, 8), st.integers(0, 39))
def test_the_range_holds_what_happens(seconds: list[float], workers: int, done: int) -> None:
    """Cells go to any free worker; with costs within the measured ones, the true end is always in the range."""
    least, most = min(seconds), max(seconds)
    measured = [(_seed(RELU, 1_000), least), (_seed(RELU, 1_001), most)]
    free = [0.0] * workers
    ends = []
    for cost in seconds:
        begin = heapq.heappop(free)
        ends.append((begin + cost, begin))
        heapq.heappush(free, begin + cost)
    last = max(end for end, _ in ends)
    now = sorted(end for end, _ in ends)[min(done, len(ends) - 1)]
    rest = [(end, begin) for end, begin in ends if end > now]
    underway = sum(now - begin for _, begin in rest if begin < now)
    low, high = time_left([_seed(RELU, place) for place in range(len(rest))], measured, workers, underway) or (0, 0)
    assert low - 1e-6 <= last - now <= high + 1e-6
