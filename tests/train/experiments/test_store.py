"""The folder of an experiment: finished cells stay, others' results are refused."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.errors import BadArgument, DataError, DigitsError, InputError, WouldOverwrite
from tests.train.experiments.samples import VERSIONS, invent_result
from train.experiments.grid import Grid, key_of
from train.experiments.store import ExperimentSpec, open_store
from train.experiments.trial import TrialResult

GRID = Grid(hidden_layers=(0, 1), units=(8,), activations=("relu",), epochs=(3,), seeds=(0, 1))
SPEC = ExperimentSpec(GRID, "invented.npz", "ab" * 32, VERSIONS)
RESULTS = {key_of(config): invent_result(config, 97) for config in GRID.cells}
KEY = "relu-1x8-e3-adam-s1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An experiment with all its cells."""
    folder = tmp_path / "experiments" / "one"
    with open_store(folder, SPEC) as store:
        for key, result in RESULTS.items():
            store.add(key, result)
    return folder


def test_what_was_added_is_read_in_the_order_of_the_grid(folder: Path) -> None:
    """In any order of cells, to the last digit."""
    with open_store(folder, SPEC) as store:
        assert store.read() == (RESULTS, {})
    assert list(RESULTS) == ["linear-e3-adam-s0", "relu-1x8-e3-adam-s0", "linear-e3-adam-s1", KEY]


def test_another_path_to_the_same_data_is_the_same_experiment(folder: Path) -> None:
    """The hash counts."""
    with open_store(folder, replace(SPEC, data_source="elsewhere.npz")) as store:
        assert len(store.read()[0]) == 4


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (replace(SPEC, grid=replace(GRID, epochs=(4,))), r"another experiment \(epochs 3, not 4\)"),
        (replace(SPEC, grid=replace(GRID, seeds=(0, 1, 2))), r"seeds 0,1, not 0,1,2"),
        (replace(SPEC, grid=replace(GRID, learning_rate=0.01)), r"learning rate 0\.001, not 0\.01"),
        (replace(SPEC, data_sha256="cd" * 32), r"data invented\.npz abab.*, not invented\.npz cdcd"),
        (replace(SPEC, versions={**VERSIONS, "edge-digits": "0.2.0"}), r"edge-digits 0\.1\.0 .*, not edge-digits 0\.2\.0"),
    ],
)
def test_another_experiment_of_that_name_is_refused(folder: Path, spec: ExperimentSpec, expected: str) -> None:
    """The line states the difference, and nothing changes."""
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    with pytest.raises(BadArgument, match=expected), open_store(folder, spec):
        pytest.fail("opened")
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before


def _edited(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps({**json.loads(content), **changes}).encode()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda content: content[:-20], "not valid JSON"),
        (lambda content: b"", "not valid JSON"),
        (lambda content: b"\xff" + content, "not valid JSON"),
        (lambda content: b"[" * 10_000, "not valid JSON"),
        (lambda content: b"[]", "expected an object"),
        (_edited(parameters="many"), "'parameters' is \"many\""),
        (_edited(extra=1), "unknown field 'extra'"),
        (_edited(history=[]), "0 epochs of 3"),
        (_edited(versions={}), "was trained with"),
        (lambda content: to_json(RESULTS["linear-e3-adam-s0"]).encode(), "another grid"),
    ],
)
def test_a_damaged_cell_is_told_and_counts_as_not_finished(folder: Path, damage: Callable[[bytes], bytes], expected: str) -> None:
    """The others stay, and the cell can be written again."""
    path = folder / "cells" / f"{KEY}.json"
    path.write_bytes(damage(path.read_bytes()))
    with open_store(folder, SPEC) as store:
        finished, damaged = store.read()
        assert set(finished) == set(RESULTS) - {KEY}
        assert expected in damaged[KEY]
        store.add(KEY, RESULTS[KEY])
        assert store.read() == (RESULTS, {})


@given(st.data())
def test_no_cut_or_changed_byte_is_a_traceback(data: st.DataObject) -> None:
    """A cell's file is read completely or not at all."""
    content = bytearray(to_json(RESULTS[KEY]).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    with contextlib.suppress(InputError):
        from_json(TrialResult, bytes(content))


def test_a_result_of_another_grid_or_version_is_not_kept(folder: Path) -> None:
    """A worker that joins later may have another version."""
    with open_store(folder, SPEC) as store:
        with pytest.raises(DataError, match=r"numpy 1\.26\.4"):
            store.add(KEY, replace(RESULTS[KEY], versions={**VERSIONS, "numpy": "1.26.4"}))
        with pytest.raises(DataError, match="another grid"):
            store.add("other", RESULTS[KEY])


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 2}', b'{"format": 1}', b"\xff"])
def test_an_experiment_whose_own_file_is_damaged_is_refused(folder: Path, content: bytes) -> None:
    """Without a valid specification, cells cannot be used."""
    (folder / "experiment.json").write_bytes(content)
    with pytest.raises(DataError, match=r"experiment\.json: .*choose another --name"), open_store(folder, SPEC):
        pytest.fail("opened")


@pytest.mark.parametrize("name", ["holiday.jpg", "cells/relu.json"])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, name: str) -> None:
    """Not even a file is added."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(WouldOverwrite, match=r"contains .* but no experiment\.json"), open_store(tmp_path, SPEC):
        pytest.fail("opened")
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == [path]


def test_what_a_killed_process_left_half_written_goes(folder: Path) -> None:
    """Only temporary files of this program."""
    for rest in (folder / ".experiment.json.x1", folder / "cells" / f".{KEY}.json.abc"):
        rest.write_bytes(b'{"con')
    with open_store(folder, SPEC) as store:
        assert store.read() == (RESULTS, {})
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_a_process_that_was_killed_before_its_first_file_leaves_no_obstacle(tmp_path: Path) -> None:
    """An empty folder, or one with an incomplete file, becomes an experiment."""
    (tmp_path / "cells").mkdir()
    (tmp_path / ".experiment.json.x1").write_bytes(b"{")
    with open_store(tmp_path, SPEC) as store:
        assert store.read() == ({}, {})


def test_one_process_at_a_time(folder: Path) -> None:
    """A second process gets an error at once; after the first one has ended, even by a kill, the folder is free."""
    code = (
        f"import fcntl, os; fcntl.flock(os.open({str(folder)!r}, os.O_RDONLY), fcntl.LOCK_EX); print('held', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(DigitsError, match="another process works on this experiment"), open_store(folder, SPEC):
            pytest.fail("opened")
        other.kill()
    with open_store(folder, SPEC) as store:
        assert len(store.read()[0]) == 4


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DigitsError, match="cannot be created"), open_store(tmp_path / "file", SPEC):
        pytest.fail("opened")
