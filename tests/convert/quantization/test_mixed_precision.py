"""The search for layers to spare, on invented files whose every layer does a known harm."""

from hypothesis import given
from hypothesis import strategies as st

from convert.quantization.mixed_precision import HigherPrecision, Layers, find_higher_precision

HARMS = st.lists(st.integers(0, 100), min_size=1, max_size=8)


def _search(harms: list[int], allowed: int) -> tuple[HigherPrecision, list[Layers]]:
    """Layers whose harms add up; a file is the list of those that are spared."""
    made: list[Layers] = []

    def make(spared: Layers) -> bytes:
        made.append(spared)
        return bytes(sorted(spared))

    def harm(file: bytes) -> float:
        return sum(value for layer, value in enumerate(harms) if layer not in file)

    return find_higher_precision(make, range(len(harms)), harm, lambda file: harm(file) <= allowed), made


@given(HARMS, st.integers(0, 400))
def test_what_is_found_passes_with_as_few_layers_as_can_be(harms: list[int], allowed: int) -> None:
    """Where harms add up, sparing the most harmful first is best, so no smaller set passes."""
    found, made = _search(harms, allowed)
    fewest = next(count for count in range(len(harms) + 1) if sum(sorted(harms)[: len(harms) - count]) <= allowed)
    assert found.passed
    assert len(found.layers) == fewest
    assert bytes(sorted(found.layers)) == found.content
    assert found.candidates == len(made) == len(set(made))  # nothing is made twice
    assert found.candidates <= 3 * len(harms) + 1


def test_a_layer_that_turns_out_not_to_be_needed_is_taken_back() -> None:
    """Alone, sparing layer 0 helps most; but what has to be spared is 1."""
    harms = {frozenset({0}): 1.0, frozenset({1}): 2.0, frozenset({2}): 3.0}
    found = find_higher_precision(bytes, range(3), lambda file: harms[frozenset(file)], lambda file: 1 in file)
    assert found.layers == (1,)
    assert found.errors == {0: 1.0, 1: 2.0, 2: 3.0}


def test_where_nothing_helps_everything_is_spared() -> None:
    """And it says that it does not pass."""
    found = find_higher_precision(lambda spared: bytes(sorted(spared)), range(3), lambda _: 1.0, lambda _: False)
    assert (found.passed, found.content) == (False, bytes([0, 1, 2]))
