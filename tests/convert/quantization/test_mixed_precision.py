"""The search for layers to keep in higher precision, on invented files with a known error of each layer."""

from hypothesis import given
from hypothesis import strategies as st

from convert.quantization.mixed_precision import HigherPrecision, Layers, find_higher_precision

ERRORS = st.lists(st.integers(0, 100), min_size=1, max_size=8)


def _search(errors: list[int], allowed: int) -> tuple[HigherPrecision, list[Layers]]:
    """Search with additive errors of layers; a file is the list of those kept in higher precision."""
    built: list[Layers] = []

    def build(kept: Layers) -> bytes:
        built.append(kept)
        return bytes(sorted(kept))

    def error(file: bytes) -> float:
        return sum(value for layer, value in enumerate(errors) if layer not in file)

    return find_higher_precision(build, range(len(errors)), error, lambda file: error(file) <= allowed), built


@given(ERRORS, st.integers(0, 400))
def test_what_is_found_passes_with_as_few_layers_as_can_be(errors: list[int], allowed: int) -> None:
    """With additive errors, keeping the most harmful layers is optimal, so no smaller set passes."""
    found, built = _search(errors, allowed)
    fewest = next(count for count in range(len(errors) + 1) if sum(sorted(errors)[: len(errors) - count]) <= allowed)
    assert found.passed
    assert len(found.layers) == fewest
    assert bytes(sorted(found.layers)) == found.content
    assert found.candidates == len(built) == len(set(built))  # nothing is built twice
    assert found.candidates <= 3 * len(errors) + 1


def test_a_layer_that_turns_out_not_to_be_needed_is_taken_back() -> None:
    """Keeping layer 0 alone helps most, but layer 1 must be kept."""
    errors = {frozenset({0}): 1.0, frozenset({1}): 2.0, frozenset({2}): 3.0}
    found = find_higher_precision(bytes, range(3), lambda file: errors[frozenset(file)], lambda file: 1 in file)
    assert found.layers == (1,)
    assert found.errors == {0: 1.0, 1: 2.0, 2: 3.0}


def test_errors_are_those_of_drafts() -> None:
    """Where building takes long, layers are ranked by files that are made otherwise, and only the chosen ones are built."""
    built: list[Layers] = []

    def build(kept: Layers) -> bytes:
        built.append(kept)
        return bytes(sorted(kept))

    found = find_higher_precision(
        build,
        range(4),
        lambda draft: float(draft[0]),
        lambda file: 2 in file,
        draft=lambda kept: bytes([abs(layer - 2) for layer in kept]),
    )
    assert (found.layers, found.uniform, found.content) == ((2,), b"", bytes([2]))
    assert built == [frozenset(), frozenset({2})]
    assert found.candidates == 2 + 4


def test_where_nothing_helps_all_layers_are_kept_higher() -> None:
    """The result says that it does not pass."""
    found = find_higher_precision(lambda kept: bytes(sorted(kept)), range(3), lambda _: 1.0, lambda _: False)
    assert (found.passed, found.content) == (False, bytes([0, 1, 2]))
