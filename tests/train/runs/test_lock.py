"""Lock of a results folder."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
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


def _changed_flock(monkeypatch: pytest.MonkeyPatch, before: Callable[[int], None]) -> None:
    """Do something before each flock, with its descriptor."""
    flock = fcntl.flock

    def changed(handle: int, operation: int) -> None:
        before(handle)
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", changed)


def test_where_folders_cannot_be_locked_a_file_in_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS, which says EBADF for what is not open for writing."""

    def refuse_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")

    _changed_flock(monkeypatch, refuse_folders)
    with (
        lock_folder(tmp_path / "run", "run"),
        pytest.raises(DigitsError, match="works on this run"),
        lock_folder(tmp_path / "run", "run"),
    ):
        pass
    with lock_folder(tmp_path / "run", "run"):
        pass


def test_what_cannot_be_locked_at_all_is_not_called_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is named, and what to do."""

    def refuse(_handle: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    _changed_flock(monkeypatch, refuse)
    with (
        pytest.raises(DigitsError, match=r"cannot be created or locked \(No locks available\); choose"),
        lock_folder(tmp_path, "run"),
    ):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(DigitsError, match=r"file: cannot be created or locked \("), lock_folder(tmp_path / "file", "run"):
        pass


def test_a_folder_that_was_removed_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last owner removes it if it is empty; a lock on what is gone would be of no use."""
    removed: list[int] = []

    def remove_once(handle: int) -> None:
        if not removed:
            removed.append(handle)
            (tmp_path / "run").rmdir()

    _changed_flock(monkeypatch, remove_once)
    with lock_folder(tmp_path / "run", "run"):
        (tmp_path / "run" / "result").touch()
        with pytest.raises(DigitsError, match="works on this run"), lock_folder(tmp_path / "run", "run"):
            pass


def test_an_empty_folder_goes_while_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards, another process may have it."""
    taken: list[Path] = []
    rmdir = Path.rmdir

    def look(path: Path) -> None:
        monkeypatch.setattr(Path, "rmdir", rmdir)
        with pytest.raises(DigitsError, match="works on this run"), lock_folder(path, "run"):
            pass
        taken.append(path)
        rmdir(path)

    monkeypatch.setattr(Path, "rmdir", look)
    with lock_folder(tmp_path / "run", "run"):
        pass
    assert taken == [tmp_path / "run"]
