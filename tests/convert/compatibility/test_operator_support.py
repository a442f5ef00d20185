"""The table of proven operators, and the runtimes that it gives for files."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from convert.compatibility.operator_support import (
    Release,
    State,
    Table,
    Use,
    known,
    minimum_runtime,
    obstacles,
    parse_table,
    proven,
    unproven,
    uses,
)
from convert.quantization.recipes import RECIPES
from edge_runtime.model.graph import Graph, read_graph
from edge_runtime.model.model_file import MODELS, read_model_file
from tests.commands import digits
from train.config.training_config import TrainingConfig
from train.model.architectures import build

OLD = Release("tflite-runtime", "2.14.0")
CONV = Use("CONV_2D", 3, ("int8", "int8", "int32"), ("int8",))


def _changed(path: Path, version: int) -> bytes:
    """The FlatBuffer of a file, with another version of its first operator."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(read_model_file(path).flatbuffer))
    model.operatorCodes[0].version = version
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


@pytest.mark.parametrize("model", ["cnn_files", pytest.param("mlp_files", marks=pytest.mark.slow)])
@pytest.mark.parametrize("recipe", list(RECIPES))
def test_the_table_has_the_operators_of_every_recipe(model: str, recipe: str, request: pytest.FixtureRequest) -> None:
    """All operators of convolutional and dense networks are in the table; tflite-runtime 2.14 lacks 4-bit dense layers."""
    graph = read_model_file(request.getfixturevalue(model)[recipe]).graph
    assert unproven(graph) == ()
    assert minimum_runtime(graph)["ai-edge-litert"] == "1.4.0"
    missing = [(found.use.operator, found.state) for found in obstacles(graph, [OLD])]
    assert missing == ([("FULLY_CONNECTED", State.REFUSED)] if (model, recipe) == ("mlp_files", "int4") else [])


@pytest.mark.slow
def test_the_table_has_the_operators_of_the_tutorial_s_network() -> None:
    """It has pooling and flattening, too."""
    from convert.quantization.activation_ranges import ranges_on
    from convert.quantization.quantizer import quantize, weight_bits
    from convert.source.tf_converter import to_flatbuffer

    model, images = build(TrainingConfig("tutorial")), np.arange(100 * 784).reshape(100, 28, 28).astype(np.uint8)
    files = [to_flatbuffer(model, recipe, images) for recipe in RECIPES.values() if recipe.weight_bits != 4]
    files.append(quantize(files[0], ranges_on(files[0], images), weight_bits(files[0], 4)))
    for flatbuffer in files:
        assert minimum_runtime(read_graph(flatbuffer))["ai-edge-litert"] == "1.4.0"
    assert [bool(obstacles(read_graph(flatbuffer), [OLD])) for flatbuffer in files] == [False] * 5 + [True]


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.tflite")), ids=lambda path: path.stem)
def test_the_shipped_files_say_what_the_table_says(path: Path) -> None:
    """Each manifest names the oldest releases that the table knows to run all of the file's operators."""
    model = read_model_file(path)
    assert model.manifest is not None
    assert model.manifest.minimum_runtime == minimum_runtime(model.graph) == {"ai-edge-litert": "1.4.0", "tflite-runtime": "2.14.0"}


def test_the_table_holds_together() -> None:
    """Each row is proven somewhere, names known releases, and does not contradict itself."""
    table = proven()
    assert len(table.rows) > 150
    for row in table.rows.values():
        assert row.runs
        for package, version in row.runs.items():
            newer = table.releases[package][table.releases[package].index(version) :]
            assert not {Release(package, release) for release in newer} & row.refused.keys(), row.use
        assert row.refused.keys() <= set(known(table.releases))


def _table(*, runs: dict[str, str], refused: dict[str, str], use: Use = CONV) -> Table:
    row = {**dataclasses.asdict(use), "runs": runs, "refused": refused, "proof": "x"}
    return parse_table(
        {"releases": {"ai-edge-litert": ["1.4.0", "2.0.2", "2.1.3", "2.3.0"], "tflite-runtime": ["2.14.0"]}, "rows": [row]}
    )


def test_a_release_runs_what_it_was_seen_to_run_and_what_it_refused_it_refuses() -> None:
    """Releases before a gap, and releases, operators and types that were not tried, are unproven."""
    table = _table(runs={"ai-edge-litert": "2.1.3"}, refused={"ai-edge-litert 2.0.2": "outputs differ"})
    states = [table.state(CONV, Release("ai-edge-litert", version)) for version in ("1.4.0", "2.0.2", "2.1.3", "2.3.0", "9.9.9")]
    assert states == [State.UNPROVEN, State.REFUSED, State.RUNS, State.RUNS, State.UNPROVEN]
    assert table.state(CONV, OLD) is State.UNPROVEN
    for changes in ({"version": 4}, {"inputs": ("int8", "int4", "int32")}, {"outputs": ("int16",)}, {"operator": "MEAN"}):
        assert table.state(dataclasses.replace(CONV, **changes), Release("ai-edge-litert", "2.3.0")) is State.UNPROVEN


def test_operators_with_graphs_of_their_own_are_never_proven() -> None:
    """A loop runs another graph of the file, which is not read."""
    loop = Use("WHILE", 1, ("float32",), ("float32",))
    table = _table(runs={"tflite-runtime": "2.14.0"}, refused={}, use=loop)
    assert table.state(loop, OLD) is State.UNPROVEN


def _graph(cnn_files: dict[str, Path]) -> Graph:
    return read_model_file(cnn_files["int8"]).graph


def test_obstacles_name_operator_types_and_releases(cnn_files: dict[str, Path]) -> None:
    """One line an operator and runtime, with the releases from the oldest to the newest."""
    graph = _graph(cnn_files)
    newer = tuple(
        dataclasses.replace(operator, version=99) if operator.name == "MEAN" else operator for operator in graph.operators
    )
    found = obstacles(dataclasses.replace(graph, operators=newer), known(["ai-edge-litert", "tflite-runtime"]))
    assert [str(line) for line in found] == [
        "MEAN version 99 (int8, int32 -> int8) is unproven on ai-edge-litert 1.4.0 to 2.3.0",
        "MEAN version 99 (int8, int32 -> int8) is unproven on tflite-runtime 2.14.0",
    ]


def test_any_number_of_equal_inputs_is_one_use(cnn_files: dict[str, Path]) -> None:
    """Concatenation takes any number of inputs; for other operators the number matters, such as a bias."""
    graph = _graph(cnn_files)
    joined = tuple(dataclasses.replace(operator, name="CONCATENATION") for operator in graph.operators[:1])
    few = dataclasses.replace(graph, operators=joined, input_dtypes=(("int8",) * 2,), output_dtypes=(("int8",),))
    assert uses(few) == uses(dataclasses.replace(few, input_dtypes=(("int8",) * 3,)))
    convolved = dataclasses.replace(few, operators=graph.operators[:1])
    assert uses(convolved) != uses(dataclasses.replace(convolved, input_dtypes=(("int8",) * 3,)))


def test_inspect_says_of_a_plain_file_where_it_runs(cnn_files: dict[str, Path], tmp_path: Path) -> None:
    """A plain file's runtimes are looked up in the table; an operator that none is known to run is named."""
    plain, strange = tmp_path / "plain.tflite", tmp_path / "strange.tflite"
    plain.write_bytes(read_model_file(cnn_files["int8"]).flatbuffer)
    strange.write_bytes(_changed(cnn_files["int8"], 99))
    assert "runs on    ai-edge-litert >= 1.4.0, tflite-runtime >= 2.14.0" in digits("inspect", plain).out
    text = digits("inspect", strange).out
    assert "runs on    unproven: no tested runtime runs CONV_2D version 99 (int8, int8, int32 -> int8)" in text
    found = digits("inspect", strange, "--json").out
    assert '"minimum_runtime": {}, "unproven_operators": ["CONV_2D version 99 (int8, int8, int32 -> int8)"]' in found
