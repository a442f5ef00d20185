"""Contrasts of group means: intervals compared with SciPy's and by simulation, and verdicts."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from train.experiments.contrasts import Estimate, Verdict, all_of, any_of, contrast, verdict

FIGURES = st.lists(st.floats(0, 100), min_size=2, max_size=6)


@given(FIGURES, FIGURES)
def test_of_two_groups_it_is_welchs_interval(first: list[float], second: list[float]) -> None:
    """The same as scipy.stats.ttest_ind without equal variances."""
    assume(min(np.ptp(first), np.ptp(second)) > 0.01)
    found = contrast({"a": first, "b": second}, {"a": 1.0, "b": -1.0}, resolution=0.0)
    interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


@given(FIGURES, FIGURES, st.floats(0.01, 5))
def test_counted_the_other_way_round_it_is_mirrored(first: list[float], second: list[float], factor: float) -> None:
    """Opposite weights give the negated estimate."""
    groups = {"a": first, "b": second}
    weights = {"a": factor, "b": -factor}
    there, back = contrast(groups, weights, 0.02), contrast(groups, {name: -weight for name, weight in weights.items()}, 0.02)
    assert (back.value, back.low, back.high) == pytest.approx(((-there).value, (-there).low, (-there).high))


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    """In 2,000 experiments with three seeds and unequal variances; several intervals hold together if widened for it."""
    generator = np.random.default_rng(1)
    spreads, weights = (0.05, 0.1, 0.2, 0.4), (0.5, 0.5, -0.5, -0.5)
    alone = together = 0
    for _ in range(2_000):
        groups = {place: generator.normal(97, spread, 3).tolist() for place, spread in enumerate(spreads)}
        found = contrast(groups, dict(enumerate(weights)), 0.0)
        alone += found.low is not None and found.high is not None and found.low <= 0 <= found.high
        pairs = [contrast(groups, {place: 1.0, place + 1: -1.0}, 0.0, comparisons=3) for place in range(3)]
        together += all(pair.low <= 0 <= pair.high for pair in pairs if pair.low is not None and pair.high is not None)
    assert 0.93 < alone / 2_000 < 0.99
    assert together / 2_000 > 0.94


def test_equal_figures_are_no_proof_that_nothing_varies() -> None:
    """An interval has at least the width of rounding to the steps of the values."""
    found = contrast({"a": [97.0] * 3, "b": [97.02] * 3}, {"a": -1.0, "b": 1.0}, resolution=0.02)
    assert found.low is not None
    assert found.low < 0.02 < (found.high or 0)


def test_a_group_of_one_seed_leaves_no_interval() -> None:
    """There is a value, and every verdict is undecided."""
    found = contrast({"a": [97.0, 97.1], "b": [90.0]}, {"a": 1.0, "b": -1.0}, 0.02)
    assert found == Estimate(pytest.approx(7.05))
    assert verdict(found, 0.1) == verdict(-found, 0.1) == "undecided"


def test_a_group_without_weight_takes_no_part() -> None:
    """Also one with a single seed."""
    groups = {"a": [1.0, 2.0], "b": [1.0, 3.0], "c": [9.0]}
    weights = {"a": 1.0, "b": -1.0}
    assert contrast(groups, {**weights, "c": 0.0}, 0.0) == contrast(groups, weights, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 5.0, "yes"),
        (0.01, 0.05, "yes"),
        (-0.3, 0.05, "no"),
        (-3.0, -2.0, "no"),
        (-0.3, 0.2, "undecided"),
        (0.0, 0.2, "undecided"),
    ],
)
def test_a_quantity_is_positive_not_worth_it_or_undecided(low: float, high: float, expected: Verdict) -> None:
    """The margin here is 0.1."""
    assert verdict(Estimate((low + high) / 2, low, high), 0.1) == expected


@given(st.lists(st.sampled_from(get_args(Verdict)), max_size=4))
def test_all_and_any_are_each_others_opposite(verdicts: list[Verdict]) -> None:
    """De Morgan's laws, with undecided as its own negation."""
    opposite: dict[Verdict, Verdict] = {"yes": "no", "no": "yes", "undecided": "undecided"}
    assert all_of(verdicts) == opposite[any_of([opposite[each] for each in verdicts])]
