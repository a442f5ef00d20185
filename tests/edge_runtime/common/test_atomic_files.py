"""Files are written whole or not at all, and nothing is overwritten unasked."""

import errno
import os
import stat
from pathlib import Path

import pytest

from edge_runtime.common.atomic_files import atomic_file, write_file
from edge_runtime.errors import DigitsError, WouldOverwrite


def test_text_and_bytes_are_written_and_folders_made(tmp_path: Path) -> None:
    """Everybody may read the file, and nothing else is left behind."""
    path = tmp_path / "a" / "b.txt"
    write_file(path, "ü")
    assert path.read_bytes() == "ü".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_replaced_only_when_told(tmp_path: Path) -> None:
    """Without `force` the old content stays and the error says what to do."""
    path = tmp_path / "x"
    write_file(path, "old")
    with pytest.raises(WouldOverwrite, match="--force"):
        write_file(path, "new")
    assert path.read_text() == "old"
    write_file(path, "new", force=True)
    assert path.read_text() == "new"


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither half a file nor a temporary one is left."""
    path = tmp_path / "x"
    write_file(path, "old")

    def interrupt(self: Path, target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(path, "new", force=True)
    assert (list(tmp_path.iterdir()), path.read_text()) == ([path], "old")


def test_a_place_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """A file where a folder is needed: the path and the system's word for it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DigitsError, match="cannot be written"):
        write_file(tmp_path / "file" / "x", "")


def test_another_file_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """An input that is missing is not an output that cannot be written; a full disk is, and has no name."""
    with pytest.raises(FileNotFoundError, match="input"), atomic_file(tmp_path / "x"):
        (tmp_path / "input").read_bytes()
    with pytest.raises(DigitsError, match=r"x: cannot be written \(No space left on device\)"), atomic_file(tmp_path / "x"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_files_survive_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is on the disk before its name is, and the name before the command goes on; a file system without that is no error."""
    done = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: done.append("renamed") or replace(self, target))
    monkeypatch.setattr(os, "fsync", lambda handle: done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"))
    write_file(tmp_path / "x", "new")
    assert done == ["file", "renamed", "folder"]

    def refuse(_handle: int) -> None:
        raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr(os, "fsync", refuse)
    write_file(tmp_path / "y", "new")
