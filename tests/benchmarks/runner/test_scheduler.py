"""Whose turn it is."""

import random

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.runner.scheduler import turn_order


@given(st.lists(st.text(), unique=True, max_size=6), st.integers(0, 5), st.integers(0, 9))
def test_every_item_has_one_turn_a_round(items: list[str], rounds: int, seed: int) -> None:
    """Rounds are in order; the order within them is that of the seed."""
    turns = list(turn_order(items, rounds, random.Random(seed)))
    assert [number for number, _ in turns] == [number for number in range(rounds) for _ in items]
    assert all(sorted(item for at, item in turns if at == number) == sorted(items) for number in range(rounds))
    assert turns == list(turn_order(items, rounds, random.Random(seed)))


def test_the_order_changes_from_round_to_round() -> None:
    """No item always runs behind the same other one."""
    turns = [item for _, item in turn_order("abc", 20, random.Random(0))]
    assert len({"".join(turns[start : start + 3]) for start in range(0, 60, 3)}) == 6
