"""Which layers to leave in higher precision so that a model passes: the fewest that a search by measurement finds."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Layers = frozenset[int]


@dataclass(frozen=True)
class HigherPrecision:
    """A file with some layers in higher precision.

    layers: their outputs' tensor numbers, in the order in which they help most.
    harms: the harm that is left if a layer alone is spared, for every layer; empty if nothing had to be spared.
    tried: how many files were made and judged.
    passed: whether this one passes; if not, all layers are spared.
    """

    content: bytes
    layers: tuple[int, ...]
    harms: dict[int, float]
    tried: int
    passed: bool


def find_higher_precision(
    make: Callable[[Layers], bytes], layers: Sequence[int], harm: Callable[[bytes], float], passes: Callable[[bytes], bool]
) -> HigherPrecision:
    """Find few layers that have to be left in higher precision; none if the file passes as it is.

    Else each layer is spared alone first, which says how much of the harm it does. Then they are spared together, the most harmful first,
    until the file passes, and at last each of them is taken back if the file passes without it.

    Args:
        make: makes a file with those layers spared.
        layers: all that could be.
        harm: how far a file is from the float model; less is better.
        passes: whether a file is good enough.
    """
    made = functools.cache(make)
    good = functools.cache(lambda spared: passes(made(spared)))
    kept: list[int] = []
    harms: dict[int, float] = {}
    if not good(frozenset()):
        harms = {layer: harm(made(frozenset({layer}))) for layer in layers}
        order = sorted(layers, key=lambda layer: harms[layer])
        kept = next((order[:count] for count in range(1, len(order)) if good(frozenset(order[:count]))), order)
        for layer in reversed(kept.copy()):
            if good(frozenset(kept)) and good(frozenset(kept) - {layer}):
                kept.remove(layer)
    spared = frozenset(kept)
    return HigherPrecision(made(spared), tuple(kept), harms, made.cache_info().currsize, good(spared))
