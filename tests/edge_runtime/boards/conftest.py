"""Fixtures of boards on loopback."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.boards.wheels import run_python

from .sshd import Boards, running_boards
from .wheels import stub_wheel


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    """A running sshd; boards of one name are one board, so each test names its own."""
    with running_boards(tmp_path_factory.mktemp("sshd")) as boards:
        yield boards


@pytest.fixture
def boards(server: Boards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boards:
    """The boards, for a laptop with its own home folder, whose ssh knows them."""
    monkeypatch.setenv("PATH", f"{server.root / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "laptop"))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "EDGE_DIGITS_BOARDS"):
        monkeypatch.delenv(name, raising=False)
    return server


@pytest.fixture(scope="session")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of pip, as it is sent to boards."""
    folder = tmp_path_factory.mktemp("pip")
    run_python("-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "pip")
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture
def stub_wheels(tmp_path: Path, pip_wheel: Path) -> Path:
    """A folder of wheels that are quick to install."""
    folder = tmp_path / "wheels"
    stub_wheel(folder)
    shutil.copy(pip_wheel, folder)
    return folder
