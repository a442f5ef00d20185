"""Operators of TFLite Micro: functions of its class MicroMutableOpResolver, by which a program links those that its model needs.

The list is that of the resolver of the Python package `tflite-micro` (its python_ops_resolver.cc) without custom operators; a test compares
it with the package. That an operator is there does not say that it takes all types: a run of the file does, and `refused_types` knows what
TFLite Micro refuses of the files that this project makes.
"""

from edge_runtime.errors import ModelFileError
from edge_runtime.model.builtin_operators import OPERATOR_NAMES
from edge_runtime.model.graph import Graph

_FUNCTIONS = """
    Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs BroadcastTo CallOnce Cast Ceil
    Concatenation Conv2D Cos CumSum DepthToSpace DepthwiseConv2D Dequantize Div Elu Equal Exp ExpandDims Fill Floor FloorDiv FloorMod
    FullyConnected Gather GatherNd Greater GreaterEqual HardSwish If L2Normalization L2Pool2D LeakyRelu Less LessEqual Log LogSoftmax
    LogicalAnd LogicalNot LogicalOr Logistic MaxPool2D Maximum Mean Minimum MirrorPad Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize
    ReadVariable ReduceMax Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor Round Rsqrt SelectV2 Shape Sin Slice Softmax
    SpaceToBatchNd SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice Sub Sum Svdf Tanh Transpose TransposeConv
    UnidirectionalSequenceLSTM Unpack VarHandle While ZerosLike
"""
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
INT4_REFUSED = "FULLY_CONNECTED"
"""The operator whose 4-bit weights TFLite Micro does not take with a scale for each channel."""
_BY_LETTERS = {name.replace("_", ""): name for name in OPERATOR_NAMES}
RESOLVER = {_BY_LETTERS[function.upper()]: f"Add{function}" for function in _FUNCTIONS.split()}
"""The function of each operator, such as AddConv2D of CONV_2D."""


def missing_operators(graph: Graph) -> list[str]:
    """Names of a graph's operators that TFLite Micro has not."""
    return sorted(
        {ascii(operator.name)[1:-1][:40] for operator in graph.operators if operator.custom or operator.name not in RESOLVER}
    )


def refused_types(graph: Graph) -> list[str]:
    """What TFLite Micro is known to refuse of a graph, whose weights have a scale for each channel, as those of this project's files."""
    found = []
    for operator, inputs in zip(graph.operators, graph.input_dtypes, strict=True):
        if "float16" in inputs:
            found.append(f"{operator.name} of float16")
        if operator.name in _WITH_WEIGHTS and {"float32", "int8"} <= set(inputs):
            found.append(f"{operator.name} of float32 with int8 weights")
        if operator.name == INT4_REFUSED and "int4" in inputs:
            found.append(f"{operator.name} with int4 weights")
    return list(dict.fromkeys(found))


def resolver_functions(graph: Graph) -> tuple[str, ...]:
    """The functions that a graph's operators need, sorted.

    Raises:
        ModelFileError: TFLite Micro has not all of them; the message names those.
    """
    if missing := missing_operators(graph):
        raise ModelFileError(f"has {', '.join(missing)}, which TFLite Micro has not")
    return tuple(sorted({RESOLVER[operator.name] for operator in graph.operators}))
