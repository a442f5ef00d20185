"""Percentiles of raw samples, and the intervals of accuracies that stand beside them in every table."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from benchmarks.stats.percentiles import percentile
from edge_runtime.common.intervals import accuracy_of, wilson_interval

SAMPLES = st.lists(st.integers(0, 10**12), min_size=1, max_size=300)


@pytest.mark.parametrize(("percent", "enough"), [(50, 20), (90, 100), (10, 100), (99, 1_000), (1, 1_000)])
def test_a_percentile_needs_ten_samples_beyond_it(percent: int, enough: int) -> None:
    """20 samples for a median, 100 for p90, 1,000 for p99; one less gives none."""
    assert percentile(range(enough - 1), percent) is None
    assert percentile(range(enough), percent) == math.ceil(percent / 100 * (enough - 1))


@pytest.mark.parametrize("percent", [0, 100])
def test_extremes_are_never_supported(percent: int) -> None:
    """The minimum and the maximum have no samples beyond them."""
    assert percentile(range(100_000), percent) is None


@given(SAMPLES, st.integers(0, 100))
def test_a_percentile_is_a_sample_with_its_share_at_or_below(samples: list[int], percent: int) -> None:
    """A measured integer, at rank ceil(p (n - 1)) of the sorted samples, or None."""
    found = percentile(samples, percent)
    assert (found is None) == (len(samples) * min(percent, 100 - percent) < 1_000)
    if found is not None:
        assert type(found) is int
        assert found == sorted(samples)[-(-percent * (len(samples) - 1) // 100)]
        assert sum(sample <= found for sample in samples) * 100 >= percent * len(samples)


@given(st.lists(st.integers(0, 10**12), min_size=20, max_size=300))
def test_a_percentile_lies_less_than_one_sample_above_numpys(samples: list[int]) -> None:
    """Numpy interpolates between two samples; ours is the upper one."""
    found = percentile(samples, 50)
    assert found is not None
    above = [sample for sample in samples if sample >= np.percentile(samples, 50) - 0.25]
    assert found == min(above)


@given(st.integers(1, 20_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_of_an_accuracy_is_wilsons(counts: tuple[int, int]) -> None:
    """As scipy computes it, in percent, for any count of any total."""
    correct, total = counts
    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(correct, total) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-9)


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_an_accuracy_counts_what_is_right(right: list[bool]) -> None:
    """Correct of total, and the share in percent, inside its interval."""
    labels = np.arange(len(right)) % 10
    found = accuracy_of(np.where(right, labels, 10), labels)
    assert (found.correct, found.total) == (sum(right), len(right))
    assert found.percent == pytest.approx(100 * np.mean(right))
    assert found.interval[0] - 1e-9 <= found.percent <= found.interval[1] + 1e-9


@pytest.mark.parametrize(("predicted", "labels"), [([], []), ([1, 2], [1])])
def test_an_accuracy_of_nothing_is_refused(predicted: list[int], labels: list[int]) -> None:
    """No predictions, or another number than of labels, are errors of the caller."""
    with pytest.raises(ValueError, match=r"predictions for .* labels"):
        accuracy_of(np.array(predicted), np.array(labels))
