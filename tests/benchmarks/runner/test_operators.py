"""Operators by cutting the graph: every cut is a model that runs, and the last one is the whole."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.results.results import Turn
from benchmarks.runner.config import Settings
from benchmarks.runner.operators import cut
from benchmarks.runner.session import run
from benchmarks.stats.intervals import added_ns
from benchmarks.stats.macs import read_steps
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.model.graph import read_graph
from edge_runtime.model.model_file import MODELS, read_model_file
from tests.benchmarks.planting import NS, planting


@pytest.mark.parametrize("name", ["nano-int8", "small-int8", "base-int8", "base-fp32"])
def test_every_cut_runs(name: str) -> None:
    """It has the output of its last operator, in that shape; all operators give the output of the model."""
    from ai_edge_litert.interpreter import Interpreter

    flatbuffer = read_model_file(MODELS / f"{name}.tflite").flatbuffer
    steps, answers = read_steps(flatbuffer), []
    for count in range(len(steps) + 1):
        shorter = cut(flatbuffer, count)
        assert len(shorter) == len(flatbuffer)
        assert [step.operator for step in read_steps(shorter)] == [step.operator for step in steps[:count]]
        interpreter = Interpreter(model_content=shorter)
        interpreter.allocate_tensors()
        source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        noise = np.random.RandomState(0).randint(0, 256, source["shape"]).astype(source["dtype"])
        interpreter.set_tensor(source["index"], noise)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(sink["index"]))
        if count:
            assert answers[-1].shape == steps[count - 1].output
    whole = Interpreter(model_content=flatbuffer)
    whole.allocate_tensors()
    whole.set_tensor(source["index"], noise)
    whole.invoke()
    assert np.array_equal(answers[-1], whole.get_tensor(whole.get_output_details()[0]["index"]))
    assert read_graph(flatbuffer) == read_graph(cut(flatbuffer, len(steps)))


@pytest.mark.parametrize("count", [-1, 1_000])
def test_there_are_only_so_many(count: int) -> None:
    """Neither below 0 nor more than all."""
    flatbuffer = read_model_file(MODELS / "nano-int8.tflite").flatbuffer
    with pytest.raises(ValueError, match="operators of"):
        cut(flatbuffer, count)


@pytest.mark.slow
def test_operators_are_timed() -> None:
    """Each of them, in every process, and the results file keeps the samples: here k operators take 50 + 2 k microseconds."""
    costs = {f"{operators}.tflite": 50_000 + 2_000 * operators for operators in range(20)}
    with planting({**NS, **costs}):
        result = run([MODELS / "nano-int8.tflite"], Settings("board", samples=3, starts=1, layers=True), None)
    (model,) = result.models
    flatbuffer = read_model_file(MODELS / "nano-int8.tflite").flatbuffer
    assert [prefix.operator for prefix in model.layers] == ["(calling)", *(step.operator for step in read_steps(flatbuffer))]
    assert all({turn.process for turn in prefix.turns} == {0, 1, 2, 3} for prefix in model.layers)
    for before, prefix in pairwise(model.layers):
        assert added_ns(before.turns, prefix.turns)[0] == pytest.approx(2_000, abs=1)
    assert result.reference.layers == ()
    assert from_json(type(result), to_json(result)) == result
    table = next(table for table in extra_tables(result) if table.name == "Operators")
    assert len(table.rows) == len(model.layers) - 1


@pytest.mark.slow
def test_operators_of_a_float16_file_are_timed(cnn_files: dict[str, Path]) -> None:
    """Operators that unpack weights cannot be cut: those that use the image are timed."""
    steps = read_steps(read_model_file(cnn_files["fp16"]).flatbuffer)
    plain = read_steps(read_model_file(cnn_files["fp32"]).flatbuffer)
    assert [step.operator for step in steps if not step.unpacks] == [step.operator for step in plain]
    assert {step.operator for step in steps if step.unpacks} == {"DEQUANTIZE"}
    assert not any(step.unpacks for step in plain)
    result = run([cnn_files["fp16"]], Settings("board", samples=3, starts=1, layers=True), None)
    assert result.absent == ()
    assert [prefix.operator for prefix in result.models[0].layers] == ["(calling)", *(step.operator for step in plain)]


def test_what_an_operator_adds_is_within_processes() -> None:
    """A slow process is slow for both."""

    def turns(*medians: int) -> tuple[Turn, ...]:
        return tuple(Turn(process, 0, 1, 1, 0, None, (median,) * 5) for process, median in enumerate(medians))

    added, interval = added_ns(turns(1_000, 5_000, 9_000), turns(1_100, 5_100, 9_100))
    assert added == pytest.approx(100)
    assert interval == (pytest.approx(100), pytest.approx(100))
    with pytest.raises(ValueError, match="same processes"):
        added_ns(turns(1, 2), turns(1, 2, 3))
    with pytest.raises(ValueError, match="same processes"):
        added_ns(turns(1), turns(2))
