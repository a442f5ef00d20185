"""The Pareto front of points by their costs."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[tuple[float, ...]]) -> list[int]:
    """The indices of the points that no other point dominates: none is at most as costly in everything and less in something."""
    return [number for number, mine in enumerate(costs) if not any(_dominates(other, mine) for other in costs)]


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
