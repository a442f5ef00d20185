"""Files are written whole or not at all, and nothing is overwritten unasked."""

from pathlib import Path

import pytest

from edge_runtime.common.atomic_files import write_file
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
