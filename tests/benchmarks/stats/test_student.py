"""Student's t and Welch's test against scipy."""

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.stats.student import t_above, t_quantile, welch

FREEDOM = st.floats(1, 200)
LOGS = st.lists(st.integers(-2_000, 2_000).map(lambda number: number / 1_000), min_size=2, max_size=12, unique=True)


@given(st.floats(-60, 60), FREEDOM)
def test_the_tail_is_scipys(value: float, freedom: float) -> None:
    """Relative to its size, however small it is."""
    assert t_above(value, freedom) == pytest.approx(scipy.stats.t.sf(value, freedom), rel=1e-9, abs=1e-200)


@given(st.floats(0.501, 0.9999), FREEDOM)
def test_the_quantile_is_scipys(probability: float, freedom: float) -> None:
    """As used for 95 % intervals, and for others."""
    assert t_quantile(probability, freedom) == pytest.approx(scipy.stats.t.ppf(probability, freedom), rel=1e-9)


@given(LOGS, LOGS)
def test_welchs_test_is_scipys(values: list[float], others: list[float]) -> None:
    """Both p-values, and the interval of the difference."""
    found = welch(values, others)
    both = scipy.stats.ttest_ind(values, others, equal_var=False).confidence_interval(0.95)
    for p, alternative in ((found.greater, "greater"), (found.less, "less")):
        expected = scipy.stats.ttest_ind(values, others, equal_var=False, alternative=alternative).pvalue
        assert p == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert found.interval == pytest.approx((both.low, both.high), rel=1e-6, abs=1e-9)
