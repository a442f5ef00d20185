"""Quantise float TFLite files by litert-quantizer, with given activation ranges."""

import re
from collections.abc import Callable, Collection, Mapping

import numpy as np
from litert_quantizer import qtyping, quantizer

from convert.flatbuffer.float_model import WEIGHTED, FloatModel, Operation
from convert.quantization.activation_ranges import PIXEL_RANGE, Range
from convert.quiet import quiet
from edge_runtime.errors import DigitsError
from edge_runtime.inference.interpreter import one_line

WeightBits = Callable[[Operation], int]
FLOAT = 32
_SMALL_SHARE = 0.1


def weight_bits(flatbuffer: bytes, bits: int) -> WeightBits:
    """Number of bits of each operator's weights if most have `bits`.

    Depthwise convolutions have 8, because no runtime runs fewer. So has the last layer if it holds less than a tenth of all weights: 4 bits
    would save few bytes there, and an older runtime that runs 4-bit convolutions does not run 4-bit dense layers.
    """
    file = FloatModel(flatbuffer)
    sizes = {
        operation.output: file.constant(operation.constants[0]).size for operation in file.operations if operation.kind in WEIGHTED
    }
    small_last = file.output if sizes.get(file.output, 0) < _SMALL_SHARE * sum(sizes.values()) else None

    def of(operation: Operation) -> int:
        return 8 if operation.kind == "DEPTHWISE_CONV_2D" or operation.output == small_last else bits

    return of


def weighted(flatbuffer: bytes, bits: WeightBits) -> list[int]:
    """Layers that can be kept in higher precision, those with the fewest bits, by tensor number of their output."""
    counts = {operation.output: bits(operation) for operation in FloatModel(flatbuffer).operations if operation.kind in WEIGHTED}
    return [output for output, count in counts.items() if count == min(counts.values())]


def with_more_bits(bits: WeightBits, layers: Collection[int]) -> WeightBits:
    """`bits` with some layers in the next higher precision: 8 bits instead of 4, floats instead of 8 bits."""

    def of(operation: Operation) -> int:
        count = bits(operation)
        return {4: 8, 8: FLOAT}.get(count, count) if operation.output in layers else count

    return of


def quantize(flatbuffer: bytes, ranges: Mapping[int, Range], bits: WeightBits) -> bytes:
    """Quantise a float file: 8-bit activations, symmetric weights with one scale for each output channel.

    Args:
        flatbuffer: the float file.
        ranges: minimum and maximum of each activation by tensor number. The input's is always that of pixels.
        bits: of each operator's weights; `FLOAT` to leave an operator unquantised.

    Raises:
        DigitsError: the quantiser failed.
    """
    file = FloatModel(flatbuffer)
    names = qtyping.TFLOperationName
    statistics = {
        file.names[number]: {"min": np.full((1, 1), low, np.float32), "max": np.full((1, 1), high, np.float32)}
        for number, (low, high) in {**ranges, file.input: PIXEL_RANGE}.items()
    }
    try:
        with quiet():
            work = quantizer.Quantizer(bytearray(flatbuffer))
            for name in (names.INPUT, names.OUTPUT):
                work.add_static_config(".*", name, 8, 8)
            for operation in file.operations:
                if operation.kind in WEIGHTED and bits(operation) == FLOAT:
                    continue
                # The scope of one operator is the name of its output, to which the quantiser appends a semicolon.
                scope = f"^{re.escape(file.names[operation.output])};$"
                work.add_static_config(scope, names(operation.kind), 8, bits(operation) if operation.kind in WEIGHTED else 8)
            result = work.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    except Exception as error:  # ValueError, RuntimeError and its own
        raise DigitsError(f"litert-quantizer cannot quantise the model ({one_line(error)[:300]}); try another --recipe") from error
    return bytes(result.quantized_model)
