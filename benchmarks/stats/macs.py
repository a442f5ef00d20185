"""The operators of a graph in order, with weights and multiply-adds, read from the FlatBuffer.

Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs. Field numbers below are positions in its tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from edge_runtime.model.flatbuffer import Table
from edge_runtime.model.graph import Tensor, read_graph

_MAX_OPERATORS = 10_000


@dataclass(frozen=True)
class Step:
    """One operator of a graph.

    output: shape of its output. weights: shape of its weights, () if it has none. constants: number of weights and biases.
    unpacks: whether it only converts constants, as DEQUANTIZE does in a float16 file.
    """

    operator: str
    output: tuple[int, ...]
    weights: tuple[int, ...]
    constants: int
    multiply_adds: int
    unpacks: bool = False


def read_steps(flatbuffer: bytes) -> list[Step]:
    """The operators of the first subgraph, in the order of execution.

    Raises:
        ModelFileError: the file is damaged, or no TFLite model.
    """
    graph = read_graph(flatbuffer)
    subgraph = next(Table.root(flatbuffer).tables(2, at_most=_MAX_OPERATORS))
    steps = []
    for operator, table in zip(graph.operators, subgraph.tables(3, _MAX_OPERATORS), strict=True):
        inputs = [graph.tensors[index] for index in table.vector(1, "<i4").tolist() if index >= 0]  # -1: an input left out
        output = graph.tensors[table.vector(2, "<i4").tolist()[0]].shape
        step = _step(operator.name, inputs[1:], output)
        steps.append(replace(step, unpacks=operator.name == "DEQUANTIZE" and inputs[0].payload_bytes > 0))
    return steps


def _step(operator: str, parameters: Sequence[Tensor], output: tuple[int, ...]) -> Step:
    # Weights are found by position, after the activations: in a float16 file they are no constants, but outputs of DEQUANTIZE.
    if operator not in _MULTIPLY_ADDS or not parameters:
        return Step(operator, output, (), 0, 0)
    weights = parameters[0].shape
    count = sum(prod(tensor.shape) for tensor in parameters)
    return Step(operator, output, weights, count, _MULTIPLY_ADDS[operator](prod(output), weights))


# Multiply-adds from the number of outputs and the shape of the weights.
_MULTIPLY_ADDS = {
    "CONV_2D": lambda outputs, weights: outputs * prod(weights[1:]),  # [filters, height, width, channels]
    "DEPTHWISE_CONV_2D": lambda outputs, weights: outputs * weights[1] * weights[2],  # [1, height, width, channels]
    "FULLY_CONNECTED": lambda outputs, weights: outputs * weights[1],  # [units, inputs]
}
