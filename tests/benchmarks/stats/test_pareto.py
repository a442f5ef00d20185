"""The Pareto front."""

from benchmarks.stats.pareto import pareto_front


def test_the_front_is_what_no_point_dominates() -> None:
    """Equal points do not dominate each other; no points have no front."""
    assert pareto_front([(1, 5), (2, 3), (2, 4), (5, 1), (1, 5)]) == [0, 1, 3, 4]
    assert pareto_front([]) == []
