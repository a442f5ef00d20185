"""What may differ between a model made here and the same made on another CPU, and what may not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.tools import flatbuffer_utils

from edge_runtime.common.json_codec import to_json
from edge_runtime.model.model_file import read_model_file
from tools.release.evaluation import EVALUATION, read_evaluation, seed_folder
from tools.release.layout import Layout
from tools.release.same_model import same_but_for_noise, say_the_same

MODELS = Layout().models
NANO, FLOATS = (read_model_file(MODELS / f"nano-{recipe}.tflite").flatbuffer for recipe in ("int8", "fp32"))
_FLOATS, _BIASES, _WEIGHTS = 0, 2, 9  # float32, int32 and int8, in the schema's list


def _changed(change: Callable[[Any, Any], None], kind: int) -> bytes:
    """Nano with its first constant of a type changed: the integer file, or the float one for floats."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(FLOATS if kind == _FLOATS else NANO))
    filled = [tensor for tensor in model.subgraphs[0].tensors if model.buffers[tensor.buffer].data is not None]
    tensor = next(tensor for tensor in filled if tensor.type == kind and (kind == _FLOATS or tensor.quantization.scale is not None))
    change(tensor, model.buffers[tensor.buffer])
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _scaled(share: float) -> Callable[[Any, Any], None]:
    def change(tensor: Any, _: Any) -> None:
        tensor.quantization.scale = [float(scale) * (1 + share) for scale in tensor.quantization.scale]

    return change


def _moved(steps: int) -> Callable[[Any, Any], None]:
    def change(tensor: Any, buffer: Any) -> None:
        values = np.frombuffer(bytes(buffer.data), np.int32 if tensor.type == _BIASES else np.int8).copy()
        values[0] -= steps
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)

    return change


def _stretched(share: float) -> Callable[[Any, Any], None]:
    """The largest weight of a float tensor longer by a share."""

    def change(_: Any, buffer: Any) -> None:
        values = np.frombuffer(bytes(buffer.data), np.float32).copy()
        values[np.abs(values).argmax()] *= 1 + share
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)

    return change


def _other_options(model: Any) -> None:
    model.subgraphs[0].operators[1].builtinOptions.strideH += 1


def _other_zero(tensor: Any, _: Any) -> None:
    tensor.quantization.zeroPoint = [int(zero) + 1 for zero in tensor.quantization.zeroPoint]


@pytest.mark.parametrize(
    ("change", "kind", "same"),
    [
        (_scaled(0), _WEIGHTS, True),
        (_scaled(1e-6), _WEIGHTS, True),
        (_scaled(1e-4), _WEIGHTS, False),
        (_moved(1), _BIASES, True),
        (_moved(2), _BIASES, False),
        (_moved(1), _WEIGHTS, False),
        (_other_zero, _WEIGHTS, False),
        (_stretched(3e-7), _FLOATS, True),
        (_stretched(1e-5), _FLOATS, False),
    ],
    ids=[
        "nothing",
        "noise of scales",
        "other scales",
        "a bias one step on",
        "a bias two steps on",
        "a weight",
        "a zero point",
        "noise of floats",
        "another float",
    ],
)
def test_noise_is_told_from_another_model(change: Callable[[Any, Any], None], kind: int, same: bool) -> None:
    """Scales by a share of 1e-5, float weights by 1e-6 and biases by a step are noise of floats; all else is another model."""
    assert same_but_for_noise(FLOATS if kind == _FLOATS else NANO, _changed(change, kind)) is same


def test_the_graph_has_to_be_the_same() -> None:
    """Another stride, another order of operators, and one operator less are other models; another order of tensors is not."""
    assert not same_but_for_noise(NANO, _with(_other_options))
    assert not same_but_for_noise(NANO, _with(lambda model: model.subgraphs[0].operators.reverse()))
    assert not same_but_for_noise(NANO, _with(lambda model: model.subgraphs[0].operators.pop()))
    assert same_but_for_noise(NANO, _with(_reversed_tensors))


def _with(change: Callable[[Any], object]) -> bytes:
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(NANO))
    change(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _reversed_tensors(model: Any) -> None:
    graph = model.subgraphs[0]
    last = len(graph.tensors) - 1
    graph.tensors.reverse()
    for owner in (graph, *graph.operators):
        owner.inputs, owner.outputs = ([last - int(index) for index in ends] for ends in (owner.inputs, owner.outputs))


def test_files_of_two_models_are_not_the_same() -> None:
    """Nor are a model's float and integer file; each is the same as itself."""
    nano, small, floats = ((MODELS / f"{name}.tflite").read_bytes() for name in ("nano-int8", "small-int8", "nano-fp32"))
    assert say_the_same(nano, nano)
    assert not say_the_same(nano, small)
    assert not say_the_same(nano, floats)
    assert not say_the_same(nano, nano[:-1])
    assert not say_the_same(nano, b"{}")


def test_an_evaluation_may_differ_by_what_covers_noise_alone() -> None:
    """Hashes and the size of a file may; a count or a mistake may not."""
    found = read_evaluation(seed_folder(Layout().releases, "nano", 1) / EVALUATION)
    floats, integers = found.files

    def says_the_same(*files: Any) -> bool:
        return say_the_same(to_json(found).encode(), to_json(replace(found, files=files)).encode())

    assert says_the_same(floats, replace(integers, sha256="0" * 64, flatbuffer_sha256="0" * 64, file_bytes=1))
    assert says_the_same(replace(floats, flatbuffer_sha256="0" * 64), integers)
    assert not says_the_same(floats, replace(integers, payload_bytes=1))
    first, *others = integers.test.mistakes
    moved = replace(first, index=first.index - 1)  # another image is mistaken
    assert not says_the_same(floats, replace(integers, test=replace(integers.test, mistakes=(moved, *others))))
