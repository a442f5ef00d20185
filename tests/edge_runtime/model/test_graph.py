"""The FlatBuffer reader against TensorFlow's own, and against damage."""

import contextlib
import tracemalloc
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ModelFileError
from edge_runtime.model.builtin_operators import OPERATOR_NAMES
from edge_runtime.model.graph import read_graph
from edge_runtime.model.model_file import DEFAULT_MODEL, read_model_file

FLATBUFFER = read_model_file(DEFAULT_MODEL).flatbuffer


def test_operator_names_are_those_of_the_schema() -> None:
    """Each name stands at the position of its code."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    codes = {name: code for name, code in vars(BuiltinOperator).items() if not name.startswith("_")}
    assert dict(zip(OPERATOR_NAMES, range(len(OPERATOR_NAMES)), strict=True)) == codes


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "dynamic", "int8", "int16x8"])
def test_it_reads_what_the_interpreter_reads(recipe: str, cnn_files: dict[str, Path]) -> None:
    """Names, shapes, dtypes and quantisation of all tensors, and the operators, equal those that LiteRT tells."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    flatbuffer = read_model_file(cnn_files[recipe]).flatbuffer
    graph = read_graph(flatbuffer)
    interpreter = Interpreter(
        model_content=flatbuffer, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    for ours, theirs in zip(graph.tensors, interpreter.get_tensor_details(), strict=False):
        assert (ours.name, ours.shape) == (theirs["name"], tuple(theirs["shape"]))
        assert ours.dtype == theirs["dtype"].__name__
        assert ours.scales == len(theirs["quantization_parameters"]["scales"])
        if ours.scales:
            assert ours.scale == theirs["quantization_parameters"]["scales"][0]
            assert ours.zero_point == theirs["quantization_parameters"]["zero_points"][0]
    assert [operator.name for operator in graph.operators] == [entry["op_name"] for entry in interpreter._get_ops_details()]


def test_payload_and_scales_are_counted(cnn_files: dict[str, Path]) -> None:
    """Weights at their width plus biases; 12 bytes for each scale with its zero point.

    As integers, the first convolution's 16 filters of 5x5 are 32 of 5x12: for two output columns, in three groups of four columns.
    """
    weights = 25 * 16 + 9 * (16 * 24 + 24 * 48 + 48 * 48) + 480
    biases = 16 + 24 + 48 + 48 + 10
    extra = {"fp32": 8, "int8": 8}  # the two axes that MEAN takes as a constant, int32
    assert read_graph(read_model_file(cnn_files["fp32"]).flatbuffer).payload_bytes == 4 * (weights + biases) + extra["fp32"]
    int8 = read_graph(read_model_file(cnn_files["int8"]).flatbuffer)
    weights, biases = weights + 32 * 60 - 25 * 16, biases + 16
    assert int8.payload_bytes == weights + 4 * biases + extra["int8"]
    assert int8.scale_bytes == 12 * (2 * biases + 9)  # each output channel of weights and biases, and nine activations


@pytest.mark.parametrize("count", [0, 3, 7, 8, 9, 100, len(FLATBUFFER) - 4, len(FLATBUFFER) - 1])
def test_a_truncated_file_is_an_error(count: int) -> None:
    """Wherever it is cut, and be it by the last byte."""
    with pytest.raises(ModelFileError):
        read_graph(FLATBUFFER[:count])


@settings(max_examples=600)
@given(st.lists(st.tuples(st.integers(0, len(FLATBUFFER) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_file_is_a_graph_or_an_error_of_ours(changes: list[tuple[int, int]]) -> None:
    """Any bytes may change: the reader answers or raises ModelFileError, and nothing else."""
    data = bytearray(FLATBUFFER)
    for position, value in changes:
        data[position] = value
    with contextlib.suppress(ModelFileError):
        assert read_graph(bytes(data)).inputs is not None


@given(st.binary(max_size=400))
def test_noise_is_an_error_of_ours(noise: bytes) -> None:
    """Random bytes behind the right identifier never end in anything but ModelFileError."""
    with pytest.raises(ModelFileError):
        read_graph(noise[:4].ljust(4, b"\0") + b"TFL3" + noise[4:])


def _sharing(kind: str) -> bytes:
    """A file of well under a megabyte whose tables point to one name, or to one list, so often that the copies take 400 MB and more."""
    builder = flatbuffers.Builder(0)
    name = builder.CreateString("n" * 100_000)
    one = builder.CreateNumpyVector(np.zeros(100_000, np.int32))
    schema.TensorStart(builder)
    if kind == "names of tensors":
        schema.TensorAddName(builder, name)
    tensor = schema.TensorEnd(builder)
    schema.OperatorStart(builder)
    if kind == "operands":
        schema.OperatorAddInputs(builder, one)
    operator = schema.OperatorEnd(builder)
    schema.OperatorCodeStart(builder)
    if kind == "names of operators":
        schema.OperatorCodeAddCustomCode(builder, name)
    code = schema.OperatorCodeEnd(builder)
    schema.BufferStart(builder)
    buffer = schema.BufferEnd(builder)

    def list_of(table: int, count: int) -> int:
        builder.StartVector(4, count, 4)
        for _ in range(count):
            builder.PrependUOffsetTRelative(table)
        return int(builder.EndVector())

    tensors, operators, codes, buffers = list_of(tensor, 4_000), list_of(operator, 4_000), list_of(code, 4_000), list_of(buffer, 1)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    schema.SubGraphAddOperators(builder, operators)
    graphs = list_of(schema.SubGraphEnd(builder), 1)
    schema.ModelStart(builder)
    for add, vector in (
        (schema.ModelAddOperatorCodes, codes),
        (schema.ModelAddSubgraphs, graphs),
        (schema.ModelAddBuffers, buffers),
    ):
        add(builder, vector)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("kind", ["names of tensors", "names of operators", "operands"])
def test_a_file_that_shares_long_names_or_lists_is_refused_in_little_memory(kind: str) -> None:
    """Before they are copied for each table that points to them."""
    data = _sharing(kind)
    assert len(data) < 600_000
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="counted as often as they are used"):
            read_graph(data)
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def test_what_shares_little_is_read() -> None:
    """Writers store equal names once."""
    assert len(read_graph(_sharing("nothing")).tensors) == 4_000
