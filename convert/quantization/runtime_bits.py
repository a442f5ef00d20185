"""4-bit files for runtimes that know some operators with 4-bit weights and not others."""

from collections.abc import Mapping, Sequence

from convert.compatibility.operator_support import State, obstacles, uses
from convert.compatibility.targets import parse_targets, releases_of
from convert.flatbuffer.float_model import FloatModel
from convert.quantization.activation_ranges import Range
from convert.quantization.quantizer import WeightBits, quantize, with_more_bits
from edge_runtime.model.graph import read_graph


def bits_that_run(
    floats: bytes, ranges: Mapping[int, Range], bits: WeightBits, runs_on: Sequence[str]
) -> tuple[WeightBits, tuple[str, ...]]:
    """Bits of weights with which a file runs where it has to: kinds of operators that are not run with 4 bits there have 8.

    Where nothing of 4 bits would be left, all stay as they are: that would be the int8 file under another name.

    Args:
        floats: the float file.
        ranges: of its activations.
        bits: as they would be otherwise.
        runs_on: targets, as `convert.compatibility.targets.parse_targets` takes them.

    Returns:
        The bits, and the layers that have more of them now.
    """
    file = FloatModel(floats)
    graph = read_graph(quantize(floats, ranges, bits))
    against = obstacles(graph, releases_of(parse_targets(runs_on)))
    kinds = {found.use.operator for found in against if found.state is not State.RUNS and "int4" in found.use.inputs}
    raised = [operation.output for operation in file.operations if operation.kind in kinds and bits(operation) == 4]
    higher = with_more_bits(bits, raised)
    if not raised or not any("int4" in use.inputs for use in uses(read_graph(quantize(floats, ranges, higher)))):
        return bits, ()
    return higher, tuple(file.describe(output) for output in raised)
