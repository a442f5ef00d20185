"""Files without what no interpreter needs."""

from collections import Counter
from typing import Any

from ai_edge_litert.tools import flatbuffer_utils

from edge_runtime.model.builtin_operators import OPERATOR_NAMES

_INPUT, _OUTPUT = b"pixels", b"logits"


def strip(flatbuffer: bytes) -> bytes:
    """The same model in fewer bytes: tensors and buffers that nothing uses dropped, the rest with short names, no converter's notes.

    TensorFlow's converter names a tensor after all layers that went into it. Here an operator's output is called after the operator,
    such as conv_2d_2 for the second convolution, and its constants after its place in the file and their own, such as 2.1: other tools
    want names, and each only once. The converter's metadata goes: its `min_runtime_version` says in which version operators appeared, not
    in which they work.
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
        if tensor.quantization is not None:  # the range that a scale came from
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
        tensor.buffer = new.get(tensor.buffer, 0)  # without content, the empty one serves all
    model.buffers = [model.buffers[number] for number in filled]


def _is_filled(buffer: Any) -> bool:
    return buffer.data is not None and len(buffer.data) > 0
