"""How inputs are cut into chunks."""

import io
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.bulk.batches import FILES, FileChunk, Plan, RowChunk, make_plan


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with files in two folders, whose names alone count, and five images in a file."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.png").touch()
    np.save(tmp_path / "five.npy", np.zeros((5, 28, 28), np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _plan(*inputs: str, given: bytes = b"") -> Plan:
    return make_plan(inputs, io.BytesIO(given))


def test_files_that_a_shell_lists_are_one_chunk(folder: Path) -> None:
    """As the folder is that holds them; with what cannot be used and what standard input names, in order."""
    (named,) = _plan("a/0.png", "a/1.png", "missing-*.png", "a/2.png", "b", "-", given=b"b/0.png\n").chunks()
    assert isinstance(named, FileChunk)
    assert named.sources == ["a/0.png", "a/1.png", "missing-*.png", "a/2.png", "b/0.png", "b/1.png", "b/2.png", "b/0.png"]


def test_chunks_stay_bounded() -> None:
    """However many files are named."""
    sizes = [len(chunk.sources) for chunk in _plan(*(f"{number}.png" for number in range(2 * FILES + 1))).chunks()]
    assert sizes == [FILES, FILES, 1]


def test_a_file_of_many_images_has_chunks_of_its_own(folder: Path) -> None:
    """Between those of the files before and after it."""
    chunks = list(_plan("a/0.png", "a/1.png", "five.npy", "five.npy", "b/0.png").chunks())
    assert [(type(chunk), len(chunk.sources)) for chunk in chunks] == [
        (FileChunk, 2),
        (RowChunk, 5),
        (RowChunk, 5),
        (FileChunk, 1),
    ]


def test_workers_look_for_a_file_of_each_folder(folder: Path) -> None:
    """Not for each of thousands."""
    found = _plan("a/0.png", "a/1.png", "b/2.png", "missing.png", "five.npy").samples()
    assert sorted(path.parent for path in found) == [Path(), Path("a"), Path("b")]
