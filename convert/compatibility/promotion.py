"""int4 files for runtimes that run some operators with 4-bit weights and not others."""

from collections.abc import Mapping, Sequence

from convert.compatibility.microcontrollers import TFLM
from convert.compatibility.operator_support import State, obstacles, uses
from convert.compatibility.targets import devices_of, parse_targets, releases_of
from convert.flatbuffer.float_model import FloatModel
from convert.quantization.activation_ranges import Range
from convert.quantization.quantizer import WeightBits, quantize, with_more_bits
from convert.tflite_micro.operators import INT4_REFUSED
from edge_runtime.model.graph import read_graph


def promote_unsupported(
    floats: bytes, ranges: Mapping[int, Range], bits: WeightBits, runs_on: Sequence[str]
) -> tuple[WeightBits, tuple[str, ...]]:
    """Promote the weights of operators that a target does not run with 4 bits to 8 bits.

    If no 4-bit weights would be left, nothing is promoted: the result would be the int8 file under another name.

    Args:
        floats: the float FlatBuffer.
        ranges: of its activations.
        bits: of each operator's weights.
        runs_on: targets, as `convert.compatibility.targets.parse_targets` takes them.

    Returns:
        The bits, and the promoted layers.
    """
    model = FloatModel(floats)
    graph = read_graph(quantize(floats, ranges, bits))
    targets = parse_targets(runs_on)
    against = obstacles(graph, releases_of(targets))
    kinds = {obstacle.use.operator for obstacle in against if obstacle.state is not State.RUNS and "int4" in obstacle.use.inputs}
    kinds |= {INT4_REFUSED} if TFLM in devices_of(targets) else set()
    promoted = [operation.output for operation in model.operations if operation.kind in kinds and bits(operation) == 4]
    higher = with_more_bits(bits, promoted)
    if not promoted or not any("int4" in use.inputs for use in uses(read_graph(quantize(floats, ranges, higher)))):
        return bits, ()
    return higher, tuple(model.describe(output) for output in promoted)
