"""Lock of a results folder."""

from pathlib import Path

import pytest

from edge_runtime.errors import DigitsError
from train.runs.lock import lock_folder


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second process gets an error; afterwards the lock is free."""
    with lock_folder(tmp_path, "search"), pytest.raises(DigitsError, match="works on this search"), lock_folder(tmp_path, "search"):
        pass
    with lock_folder(tmp_path, "search"):
        (tmp_path / "result").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_folder_that_stays_empty_goes(tmp_path: Path) -> None:
    """A run that could not start leaves nothing behind."""
    with lock_folder(tmp_path / "run", "run"):
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists()
