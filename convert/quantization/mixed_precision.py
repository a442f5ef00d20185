"""Search for the few layers that must stay in higher precision for a quantised model to pass the gate."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Layers = frozenset[int]


@dataclass(frozen=True)
class HigherPrecision:
    """The FlatBuffer that the search chose.

    uniform: the one without layers in higher precision.
    layers: tensor numbers of the outputs of layers in higher precision, the one that reduces the error most first.
    errors: error with one layer alone in higher precision, for every layer; empty if none had to be.
    candidates: number of FlatBuffers built and judged.
    passed: whether the chosen one passes; if not, all layers are in higher precision.
    """

    content: bytes
    uniform: bytes
    layers: tuple[int, ...]
    errors: dict[int, float]
    candidates: int
    passed: bool


def find_higher_precision(
    build: Callable[[Layers], bytes],
    layers: Sequence[int],
    error: Callable[[bytes], float],
    passes: Callable[[bytes], bool],
    draft: Callable[[Layers], bytes] | None = None,
) -> HigherPrecision:
    """Choose few layers to keep in higher precision; none if the FlatBuffer passes without.

    First each layer is kept alone, which measures how much of the error it causes. Then layers are kept together, the most harmful first,
    until the FlatBuffer passes. Last, each of them is quantised again if the FlatBuffer passes without it.

    Args:
        build: builds a FlatBuffer with these layers in higher precision.
        layers: all that can be kept.
        error: distance of a FlatBuffer from the float model; smaller is better.
        passes: whether a FlatBuffer is good enough.
        draft: builds those whose errors are compared, where `build` takes long, as with training; None for `build`.
    """
    built = functools.cache(build)
    drafted = built if draft in (None, build) else functools.cache(draft)
    good = functools.cache(lambda kept: passes(built(kept)))
    kept_higher: list[int] = []
    errors: dict[int, float] = {}
    if not good(frozenset()):
        errors = {layer: error(drafted(frozenset({layer}))) for layer in layers}
        order = sorted(layers, key=lambda layer: errors[layer])
        kept_higher = next((order[:count] for count in range(1, len(order)) if good(frozenset(order[:count]))), order)
        for layer in reversed(kept_higher.copy()):
            if good(frozenset(kept_higher)) and good(frozenset(kept_higher) - {layer}):
                kept_higher.remove(layer)
    kept = frozenset(kept_higher)
    candidates = sum(function.cache_info().currsize for function in {built, drafted})
    return HigherPrecision(built(kept), built(frozenset()), tuple(kept_higher), errors, candidates, good(kept))
