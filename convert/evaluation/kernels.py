"""Which operators of a file XNNPACK does not take: TFLite's own kernels run those, some of them written for clarity, not for speed."""

from collections import Counter
from typing import Any

from edge_runtime.inference.interpreter import find_backend, make_interpreter

_DELEGATE = "DELEGATE"


def operators_outside_xnnpack(flatbuffer: bytes) -> dict[str, int]:
    """How many operators of each kind are left to TFLite's own kernels on this machine; empty if XNNPACK takes all.

    The interpreter lists every operator of the file and then each part that a delegate took, with what goes in and comes out. What is left
    is found by going back from the outputs: where a tensor comes from a delegate, the operators that would give it do not run.
    """
    interpreter: Any = make_interpreter(flatbuffer, find_backend("litert"))
    taken: dict[int, Any] = {}
    own: dict[int, Any] = {}
    for operator in interpreter._get_ops_details():
        for output in operator["outputs"]:
            (taken if operator["op_name"] == _DELEGATE else own)[int(output)] = operator
    found: dict[int, str] = {}  # by the operator's number
    wanted, seen = [int(detail["index"]) for detail in interpreter.get_output_details()], set()
    while wanted:
        tensor = wanted.pop()
        operator = taken.get(tensor) or own.get(tensor)
        if operator is None or tensor in seen:
            continue  # a constant, an input
        seen.add(tensor)
        if operator["op_name"] != _DELEGATE:
            found[int(operator["index"])] = operator["op_name"]
        wanted += [int(index) for index in operator["inputs"] if index >= 0]
    return dict(Counter(found[number] for number in sorted(found)))
