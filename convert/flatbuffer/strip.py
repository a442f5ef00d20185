"""Strip from FlatBuffers what no interpreter needs."""

from collections import Counter
from typing import Any

from ai_edge_litert.tools import flatbuffer_utils

from edge_runtime.model.builtin_operators import OPERATOR_NAMES

_INPUT, _OUTPUT = b"pixels", b"logits"


def strip(flatbuffer: bytes) -> bytes:
    """Remove unused tensors and buffers and the converter's metadata, and shorten names; outputs stay the same.

    TensorFlow's converter names a tensor after all layers that were fused into it. Here an operator's output is named after the operator,
    such as conv_2d_2 for the second convolution, and its constants after their place in the file, such as 2.1 for input 1 of operator 2:
    other tools need unique names. The converter's `min_runtime_version` is removed because it names the version in which operators
    appeared, not one in which they work.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    if len(model.subgraphs) > 1:
        return flatbuffer
    graph = model.subgraphs[0]
    model.metadata, model.metadataBuffer, model.description = None, None, None
    _name(model, graph)
    _drop_unused_tensors(model, graph)
    _drop_unused_buffers(model, graph)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _name(model: Any, graph: Any) -> None:
    counts: Counter[str] = Counter()
    for number, operator in enumerate(graph.operators, 1):
        code = model.operatorCodes[operator.opcodeIndex]
        kind = OPERATOR_NAMES[int(max(code.builtinCode, code.deprecatedBuiltinCode))].lower()
        counts[kind] += 1
        for place, index in enumerate(operator.inputs):
            if index >= 0 and _is_filled(model.buffers[graph.tensors[index].buffer]):
                graph.tensors[index].name = f"{number}.{place}".encode()
        for place, index in enumerate(operator.outputs):
            graph.tensors[index].name = f"{kind}_{counts[kind]}{f'.{place}' if place else ''}".encode()
    graph.tensors[graph.inputs[0]].name, graph.tensors[graph.outputs[0]].name = _INPUT, _OUTPUT
    for tensor in graph.tensors:
        if tensor.quantization is not None:  # the range that the scale was computed from
            tensor.quantization.min = tensor.quantization.max = None


def _drop_unused_tensors(model: Any, graph: Any) -> None:
    used = {int(index) for operator in graph.operators for index in (*operator.inputs, *operator.outputs)} - {-1}
    kept = sorted(used | {*map(int, graph.inputs), *map(int, graph.outputs)})
    new = {old: number for number, old in enumerate(kept)} | {-1: -1}
    graph.tensors = [graph.tensors[index] for index in kept]
    for owner in (graph, *graph.operators):
        owner.inputs = [new[int(index)] for index in owner.inputs]
        owner.outputs = [new[int(index)] for index in owner.outputs]
    for signature in model.signatureDefs or []:
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex = new[int(entry.tensorIndex)]


def _drop_unused_buffers(model: Any, graph: Any) -> None:
    kept = [0, *sorted({tensor.buffer for tensor in graph.tensors} - {0})]  # 0 is empty by convention
    filled = [number for number in kept if number == 0 or _is_filled(model.buffers[number])]
    new = {old: number for number, old in enumerate(filled)}
    for tensor in graph.tensors:
        tensor.buffer = new.get(tensor.buffer, 0)  # all tensors without content share the empty buffer
    model.buffers = [model.buffers[number] for number in filled]


def _is_filled(buffer: Any) -> bool:
    return buffer.data is not None and len(buffer.data) > 0
