"""Which runtime is known to run which operators: each row was proven by running files of ours there (`make test-venvs`).

A file's own `min_runtime_version` is not used: it names the version in which an operator appeared, not one in which it works.
"""

from edge_runtime.graph import Graph

# The newest version of each operator that the oldest supported releases run.
_OPERATORS = {
    "CONV_2D": 6,
    "DEQUANTIZE": 3,
    "FULLY_CONNECTED": 9,
    "MEAN": 2,
    "QUANTIZE": 1,
    "RESHAPE": 1,
}
_PROVEN = {"ai-edge-litert": "1.4.0", "tflite-runtime": "2.14.0"}
_WITH_4_BITS = {
    "ai-edge-litert": ("CONV_2D", "FULLY_CONNECTED"),
    "tflite-runtime": ("CONV_2D",),
}  # operators that take such weights


def minimum_runtime(graph: Graph) -> dict[str, str]:
    """The oldest proven version of each runtime that has all operators of the graph; a runtime that nothing proves is left out."""
    return {
        runtime: version
        for runtime, version in _PROVEN.items()
        if all(
            operator.version <= _OPERATORS.get(operator.name, 0)
            and ("int4" not in dtypes or operator.name in _WITH_4_BITS[runtime])
            for operator, dtypes in zip(graph.operators, graph.input_dtypes, strict=True)
        )
    }
