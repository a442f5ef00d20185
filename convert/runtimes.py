"""Which runtime is known to run which operators: each row was proven by running files of ours there (`make test-venvs`).

A file's own `min_runtime_version` is not used: it names the version in which an operator appeared, not one in which it works.
"""

from edge_runtime.graph import Graph

# The newest version of each operator that the oldest supported releases run.
_OPERATORS = {"CONV_2D": 6, "DEQUANTIZE": 3, "FULLY_CONNECTED": 9, "MEAN": 2, "QUANTIZE": 1, "RESHAPE": 1}
_PROVEN = {"ai-edge-litert": ("1.4.0", _OPERATORS), "tflite-runtime": ("2.14.0", _OPERATORS)}


def minimum_runtime(graph: Graph) -> dict[str, str]:
    """The oldest proven version of each runtime that has all operators of the graph; a runtime that nothing proves is left out."""
    return {
        runtime: version
        for runtime, (version, newest) in _PROVEN.items()
        if all(operator.version <= newest.get(operator.name, 0) for operator in graph.operators)
    }
