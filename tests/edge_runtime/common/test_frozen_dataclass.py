"""Records are what the standard library's frozen dataclasses are, whatever their fields."""

import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.common.frozen_dataclass import frozen_dataclass

MAKERS: dict[str, Callable[[type], type]] = {"ours": frozen_dataclass, "standard": dataclass(frozen=True)}


def _made(maker: Callable[[type], type]) -> type:
    class Point:
        """A point."""

        x: int
        hidden: str = field(repr=False)
        y: tuple[int, ...] = (7,)
        more: dict[str, int] = field(default_factory=dict)

        def __post_init__(self) -> None:
            if self.x == -1:
                raise ValueError("no such point")

    return maker(Point)


OURS, STANDARD = (_made(maker) for maker in MAKERS.values())


@frozen_dataclass
class Parent:
    """At the top of a module, for pickle."""

    a: int
    b: str = "b"


@frozen_dataclass
class Child(Parent):
    """Fields of its parent first."""

    c: float = 0.5


def _outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error)


VALUES = st.lists(st.integers(-2, 9), max_size=5)
NAMED = st.dictionaries(st.sampled_from(["x", "hidden", "y", "more", "other"]), st.integers(-2, 9))


@given(values=VALUES, named=NAMED)
def test_a_record_takes_the_arguments_that_a_dataclass_takes(values: list[int], named: dict[str, int]) -> None:
    """The same fields and the same text come of them, or the same kind of error."""
    made = [_outcome(lambda kind=kind: kind(*values, **named)) for kind in (OURS, STANDARD)]
    assert [isinstance(one, type) for one in made] in ([True, True], [False, False])
    if isinstance(made[0], type):
        assert made[0] is made[1]
    else:
        assert dataclasses.asdict(made[0]) == dataclasses.asdict(made[1])
        assert repr(made[0]) == repr(made[1])


@given(first=st.tuples(st.integers(0, 2), st.integers(0, 2)), second=st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_records_are_equal_when_all_fields_are(first: tuple[int, int], second: tuple[int, int]) -> None:
    """And then have one hash."""
    one, other = (OURS(*values, more=()) for values in (first, second))
    assert (one == other) == (first == second)
    assert (hash(one) == hash(other)) == (first == second)
    assert one != (*first, (7,), ())
    assert one != STANDARD(*first, more=())


def test_a_record_of_what_cannot_be_hashed_cannot_be() -> None:
    """As any other."""
    with pytest.raises(TypeError):
        hash(OURS(1, 2))


def test_defaults_are_not_shared() -> None:
    """Each record has a dictionary of its own."""
    assert OURS(1, 2).more is not OURS(1, 2).more


@pytest.mark.parametrize(
    "change", [lambda made: setattr(made, "x", 2), lambda made: setattr(made, "z", 2), lambda made: delattr(made, "x")]
)
def test_a_record_cannot_be_changed(change: Callable[[Any], None]) -> None:
    """Neither a field nor anything else."""
    made = OURS(1, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        change(made)
    assert made == OURS(1, 2)


def test_a_record_goes_through_pickle_copies_and_replacement() -> None:
    """To workers of a cluster, for one."""
    child = Child(1, c=2.0)
    assert repr(child) == "Child(a=1, b='b', c=2.0)"
    assert pickle.loads(pickle.dumps(child)) == child
    assert dataclasses.replace(child, b="other") == Child(1, "other", 2.0)
    assert [one.name for one in dataclasses.fields(child)] == ["a", "b", "c"]
    assert Child(1) != Parent(1)
    with pytest.raises(ValueError, match="no such point"):
        dataclasses.replace(OURS(1, 2), x=-1)


def test_fields_that_are_arrays_are_compared() -> None:
    """By shape and values; the standard library's raise ValueError."""
    one, same, other, shorter = (OURS(1, "", np.array(values)) for values in ([1, 2], [1, 2], [1, 3], [1]))
    assert one == same
    assert one != other
    assert one != shorter
    assert one != OURS(1, "", (1, 2))
    assert OURS(1, "", np.float64(7)) == OURS(1, "", 7.0)
