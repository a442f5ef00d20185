"""Every line with which the guide installs on a Raspberry Pi, typed on an emulated one, and what `digits doctor` says then.

`make test-boards`.

Slow (pip runs under emulation) and on the package index's network, so neither `make test` nor `make test-arm64` runs it.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tools.release import wheelhouse

from .boards import CHECKOUT, PI2, PI4, PI4_32BIT, PI4_TRIXIE, Board, boot
from .guide import INSTALL_32BIT, INSTALL_64BIT, OFFLINE
from .host import EmulationError, network_mounts, pip_environment

pytestmark = pytest.mark.boards

SOURCES = "/root/edge-digits"
PHOTO = "photo.png"


@dataclass(frozen=True)
class Case:
    """A board and what is typed on it."""

    board: Board
    line: str


ONLINE = [
    Case(PI4, INSTALL_64BIT),
    Case(PI4_TRIXIE, INSTALL_64BIT),
    Case(PI4_32BIT, INSTALL_32BIT),
    Case(PI2, INSTALL_32BIT),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that a clone would have."""
    folder = tmp_path_factory.mktemp("checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def label(mnist: Any) -> str:
    """What is on the photo."""
    return str(mnist.y_test[0])


@pytest.fixture
def home(mnist: Any, tmp_path: Path) -> Path:
    """The home folder of a board's user, with the photo: a test digit ten times as large, as dark ink on light paper."""
    shades = 230 - mnist.x_test[0].astype(int) * 200 // 255
    Image.fromarray(np.kron(shades, np.ones((10, 10))).astype(np.uint8)).save(tmp_path / PHOTO)
    return tmp_path


def digits_work(board: Board, home: Path, label: str) -> None:
    """What was installed answers rightly with the shipped model, verifies, and has nothing that doctor would mend."""
    said = type_on(board, home, "/root", f"~/digits/bin/digits classify {PHOTO}", online=False)
    assert said.startswith(f"{PHOTO}: {label} ")
    assert type_on(board, home, "/root", "~/digits/bin/digits verify", online=False).startswith("passed: ")
    findings = doctor(board, home)
    assert {found["level"] for found in findings.values()} <= {"ok", "note"}, findings
    runtime = "tflite-runtime" if board.architecture == "armhf" else "ai-edge-litert"
    assert "16 of 16 golden images" in findings[runtime]["text"]
    assert findings["Python"]["text"].endswith(", in a venv")
    assert ("32-bit system on a 64-bit kernel" in findings["platform"]["text"]) == (board is PI4_32BIT)


def doctor(board: Board, home: Path) -> dict[str, dict[str, str]]:
    """The findings of `digits doctor` by subject; they must be there whatever its exit code."""
    said = type_on(board, home, "/root", "~/digits/bin/digits doctor --json || [ $? = 1 ]", online=False)
    return {found["subject"]: found for found in json.loads(said)["findings"]}


def type_on(board: Board, home: Path, folder: str, line: str, online: bool) -> str:
    """What a board prints when a line is typed in a folder; without `online` it knows no network."""
    mounts, environment = (network_mounts(), pip_environment()) if online else ({}, {})
    return boot(board, {**mounts, "/root": home}, environment).run(["sh", "-c", f"cd {folder} && {line}"])


@pytest.mark.parametrize("case", ONLINE, ids=lambda case: case.board.name)
def test_installing_with_a_network(case: Case, checkout: Path, home: Path, label: str) -> None:
    """After the guide's line classify, verify and doctor work."""
    shutil.copytree(checkout, home / "edge-digits")
    type_on(case.board, home, SOURCES, case.line, online=True)
    digits_work(case.board, home, label)


@pytest.mark.parametrize("target", OFFLINE)
def test_installing_without_a_network(target: str, home: Path, label: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wheelhouse copied over and the lines that it prints are enough for a board without network."""
    assert wheelhouse.main([target, "--folder", str(home)]) == 0
    printed = capsys.readouterr().out
    for line in wheelhouse.device_lines(wheelhouse.TARGETS[target]):
        assert line in printed
        if not line.startswith("sudo apt"):  # the root has those packages, as the line asks for
            type_on(OFFLINE[target], home, f"/root/{target}", line, online=False)
    digits_work(OFFLINE[target], home, label)


def test_doctor_where_nothing_can_be_installed(checkout: Path, home: Path) -> None:
    """32-bit Trixie: the project installs, no interpreter does, and doctor says what to use instead."""
    board = replace(PI2, release="trixie")
    shutil.copytree(checkout, home / "edge-digits")
    type_on(board, home, SOURCES, INSTALL_32BIT.replace("[tflite]", ""), online=True)
    found = doctor(board, home)["interpreter"]
    assert (found["level"], found["text"]) == ("problem", "none has a wheel for 32-bit Python 3.13")
    assert "use the 64-bit system" in found["mend"]


@pytest.mark.parametrize(
    ("board", "package"),
    [
        (PI4_32BIT, "ai-edge-litert"),
        (PI4_TRIXIE, "tflite-runtime"),
        (replace(PI2, release="trixie"), "ai-edge-litert"),
        (replace(PI2, release="trixie"), "tflite-runtime"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.release}-{value.architecture}",
)
def test_where_an_interpreter_has_no_wheel(board: Board, package: str, home: Path) -> None:
    """The guide says where an interpreter cannot be had: pip reaches the index there, and finds no wheel."""
    line = "python3 -m pip download --no-deps --only-binary :all: --dest /root"
    type_on(board, home, "/root", f"{line} click", online=True)
    with pytest.raises(EmulationError, match=f"No matching distribution found for {package}"):
        type_on(board, home, "/root", f"{line} {package}", online=True)
