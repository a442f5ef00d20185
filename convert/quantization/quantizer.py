"""Float TFLite files to integer ones by litert-quantizer, with ranges that are given."""

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
    """How many bits the weights of each operator have if most of them have `bits`.

    Depthwise convolutions have 8, since nothing runs less. So has the last layer if it holds less than a tenth of all weights: it saves few
    bytes, and an older runtime that runs 4-bit convolutions refuses 4-bit dense layers.
    """
    file = FloatModel(flatbuffer)
    sizes = {
        operation.output: file.constant(operation.constants[0]).size for operation in file.operations if operation.kind in WEIGHTED
    }
    spared = file.output if sizes.get(file.output, 0) < _SMALL_SHARE * sum(sizes.values()) else None

    def of(operation: Operation) -> int:
        return 8 if operation.kind == "DEPTHWISE_CONV_2D" or operation.output == spared else bits

    return of


def weighted(flatbuffer: bytes, bits: WeightBits) -> list[int]:
    """The layers that could be left in higher precision, by their outputs' tensor numbers: those with the fewest bits."""
    found = {operation.output: bits(operation) for operation in FloatModel(flatbuffer).operations if operation.kind in WEIGHTED}
    return [output for output, count in found.items() if count == min(found.values())]


def with_more_bits(bits: WeightBits, layers: Collection[int]) -> WeightBits:
    """The same with some layers in the next higher precision: 8 bits instead of 4, floats instead of 8 bits."""

    def of(operation: Operation) -> int:
        count = bits(operation)
        return {4: 8, 8: FLOAT}.get(count, count) if operation.output in layers else count

    return of


def quantize(flatbuffer: bytes, ranges: Mapping[int, Range], bits: WeightBits) -> bytes:
    """Quantise a float file: 8-bit activations, weights symmetric with a scale for each output channel.

    Args:
        flatbuffer: the float file.
        ranges: least and largest value of each activation by the tensor's number. The input's is taken to be that of pixels.
        bits: of each operator's weights; `FLOAT` for an operator that stays as it is.

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
                # One scope for each operator: the names of its output, which the quantiser ends with a semicolon.
                scope = f"^{re.escape(file.names[operation.output])};$"
                work.add_static_config(scope, names(operation.kind), 8, bits(operation) if operation.kind in WEIGHTED else 8)
            result = work.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    except Exception as error:  # ValueError and RuntimeError, and others of its own
        raise DigitsError(f"the quantiser refuses the model ({one_line(error)[:300]})") from error
    return bytes(result.quantized_model)
