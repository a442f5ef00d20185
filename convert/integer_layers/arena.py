"""Places of feature maps in one array, where each layer's output may overlap its input."""

from collections.abc import Sequence

from convert.integer_layers.layers import Layer


def place_outputs(layers: Sequence[Layer]) -> tuple[tuple[int, ...], int]:
    """Offset of each layer's output in the array, and the bytes of the array. The first layer reads the image, which is outside it.

    An output ends before what is still to be read of the input, whenever it is written.
    """
    offsets = [0]
    for layer in reversed(layers[1:]):
        offsets.insert(0, max(offsets[0] + _ahead(layer), 0))
    return tuple(offsets), max(offset + layer.window.bytes for offset, layer in zip(offsets, layers, strict=True))


def _ahead(layer: Layer) -> int:
    """How many bytes the input must begin after the output."""
    window = layer.window
    rows, columns, channels = window.result
    # A convolution reads its window before it writes a pixel; the others write channel by channel.
    steps = [(row, column) for row in range(rows) for column in range(columns)]
    needed, ahead = -1, -(10**9)
    for number in reversed(range(len(steps))):
        first = _first_byte(layer, *steps[number])
        kept = needed if layer.kind == "convolution" else min(first, needed) if needed >= 0 else first
        if kept >= 0:
            ahead = max(ahead, (number + 1) * channels - kept)
        needed = min(first, needed) if needed >= 0 else first
    return ahead


def _first_byte(layer: Layer, row: int, column: int) -> int:
    """Where an output pixel's window begins in the input, at the earliest."""
    window = layer.window
    _, width, channels = window.source
    top, left = (
        max(place * stride - padding, 0)
        for place, stride, padding in zip((row, column), window.stride, window.padding, strict=True)
    )
    return (top * width + left) * channels
