"""Running files in a release of a runtime."""

import re
import stat
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from convert.compatibility import runtime_environments
from convert.compatibility.operator_support import Release
from convert.compatibility.runtime_environments import EnvironmentFailed, check_file, environment, is_installed
from edge_runtime.model.archive import unpack
from edge_runtime.model.model_file import DEFAULT_MODEL, read_model_file

HERE = Release("ai-edge-litert", version("ai-edge-litert"))
ELSEWHERE = Release("tflite-runtime", "2.14.0")


def test_this_very_release_is_installed_and_no_other() -> None:
    """Only the exact version counts."""
    assert is_installed(HERE)
    assert not is_installed(Release("ai-edge-litert", "1.4.0"))
    assert not is_installed(Release("tflite-runtime", "9.9.9"))


def test_a_file_is_tried_with_what_is_installed() -> None:
    """A good file passes in a child process; no environment is created."""
    found = check_file(DEFAULT_MODEL.read_bytes(), HERE)
    assert (found.release, found.passed) == (str(HERE), True)
    assert re.fullmatch(r"16 of 16 labels equal, largest difference [0-2] steps \(allowed: 2\)", found.message)


def test_a_file_that_cannot_be_verified_does_not_pass() -> None:
    """The message is the error's line without the temporary path."""
    plain = read_model_file().flatbuffer
    found = check_file(plain, HERE)
    assert found.passed is False
    assert found.message.endswith("is a plain .tflite without golden images; make the model with digits convert")
    damaged = bytearray(DEFAULT_MODEL.read_bytes())
    damaged[unpack(bytes(damaged))[0] - 5] ^= 1
    assert check_file(bytes(damaged), HERE).message == "damaged: the SHA-256 of the FlatBuffer differs from the manifest's"


def _script(tmp_path: Path, code: str) -> Path:
    path = tmp_path / "python"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("code", "passed", "message"),
    [
        ("import os; os.abort()", False, "the interpreter was killed by SIGABRT"),
        ("import sys; print('boom', file=sys.stderr); sys.exit(1)", False, "boom"),
        ("import sys; sys.exit(1)", False, "no message"),
        ("import sys; print('needs numpy<2', file=sys.stderr); sys.exit(75)", None, "needs numpy<2"),
    ],
)
def test_a_runtime_that_fails_is_a_trial_that_says_how(
    code: str, passed: bool | None, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A crash ends only the child; with a runtime that does not work, the file is not tried."""
    monkeypatch.setattr(runtime_environments, "environment", lambda _release: _script(tmp_path, code))
    found = check_file(b"", ELSEWHERE)
    assert (found.passed, found.message) == (passed, message)


def test_an_environment_that_cannot_be_made_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error is one line; the file counts as not tried."""
    monkeypatch.setattr(
        runtime_environments, "_python", lambda: str(_script(tmp_path, "import sys; print('no luck'); sys.exit(3)"))
    )
    with pytest.raises(EnvironmentFailed, match=r"cannot be installed .*\(no luck\)"):
        environment(ELSEWHERE, tmp_path / "kept")
    assert not [path for path in (tmp_path / "kept").iterdir() if path.is_dir()]
    monkeypatch.setattr(runtime_environments, "cache_folder", lambda: tmp_path / "kept")
    assert check_file(b"", ELSEWHERE).passed is None


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """The path of the folder of environments is a file."""
    (tmp_path / "kept").touch()
    with pytest.raises(EnvironmentFailed, match="cannot create environments"):
        environment(ELSEWHERE, tmp_path / "kept")
