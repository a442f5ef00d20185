"""Which layers to leave in higher precision so that a model passes: the fewest that a search by measurement finds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Layers = frozenset[int]


@dataclass(frozen=True)
class Spared:
    """A file with some layers in higher precision.

    layers: their outputs' tensor numbers, in the order in which they help most. harms: the harm that is left if that layer alone is spared,
    for every layer. tried: how many files were made and judged. passed: whether this one passes; if not, all layers are spared.
    """

    content: bytes
    layers: tuple[int, ...]
    harms: dict[int, float]
    tried: int
    passed: bool


def spare_layers(
    make: Callable[[Layers], bytes], layers: Sequence[int], harm: Callable[[bytes], float], passes: Callable[[bytes], bool]
) -> Spared:
    """Find few layers that have to be left in higher precision.

    Each layer is spared alone first, which says how much of the harm it does. Then they are spared together, the most harmful first, until
    the file passes, and at last each of them is taken back if the file passes without it.

    Args:
        make: makes a file with those layers spared.
        layers: all that could be.
        harm: how far a file is from the float model; less is better.
        passes: whether a file is good enough.
    """
    files: dict[Layers, bytes] = {}
    verdicts: dict[Layers, bool] = {}

    def made(spared: Layers) -> bytes:
        if spared not in files:
            files[spared] = make(spared)
        return files[spared]

    def good(spared: Layers) -> bool:
        if spared not in verdicts:
            verdicts[spared] = passes(made(spared))
        return verdicts[spared]

    harms = {layer: harm(made(frozenset({layer}))) for layer in layers}
    order = sorted(layers, key=lambda layer: harms[layer])
    count = next((count for count in range(len(order) + 1) if good(frozenset(order[:count]))), len(order))
    kept = order[:count]
    if good(frozenset(kept)):
        for layer in reversed(order[:count]):
            if good(frozenset(kept) - {layer}):
                kept.remove(layer)
    spared = frozenset(kept)
    return Spared(made(spared), tuple(kept), harms, len(files), good(spared))
