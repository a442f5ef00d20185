"""tools/release/wheelhouse.py, without network: what it asks pip for, what it tells the user."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_runtime.boards import wheels
from tools.release import wheelhouse

from .boards import CHECKOUT
from .guide import INSTALL_32BIT, INSTALL_64BIT, OFFLINE

METADATA = """\
Metadata-Version: 2.4
Name: edge-digits
Requires-Dist: numpy>=1.24
Requires-Dist: click>=8.1
Requires-Dist: Pillow>=9.4
Requires-Dist: ai-edge-litert<3,>=1.4; extra == "litert"
Requires-Dist: tflite-runtime==2.14.0; python_version < "3.12" and extra == "tflite"
Requires-Dist: numpy<2; extra == "tflite"
Requires-Dist: for-old-python; python_version < "3.12"
Requires-Dist: for-32-bit; platform_machine == "armv7l"
Requires-Dist: tensorflow; extra == "train"
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel that is nothing but its metadata."""
    file = tmp_path / "edge_digits-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("edge_digits-0.1.0.dist-info/METADATA", METADATA)
    return file


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        ("pi64-bookworm", ["numpy>=1.24", "click>=8.1", "Pillow>=9.4", "ai-edge-litert<3,>=1.4", "for-old-python"]),
        ("pi64-trixie", ["numpy>=1.24", "click>=8.1", "Pillow>=9.4", "ai-edge-litert<3,>=1.4"]),
        ("pi32-bookworm", ["click>=8.1", "tflite-runtime==2.14.0", "for-old-python", "for-32-bit"]),
    ],
)
def test_requirements_are_those_of_the_board(wheel: Path, board: str, expected: list[str]) -> None:
    """Markers are judged for the board, whatever Python runs this; what Debian brings there is left out."""
    assert wheels.requirements(wheel, wheelhouse.TARGETS[board]) == expected


def test_wheels_may_be_made_for_an_older_c_library() -> None:
    """Tags go from the board's own C library down to the oldest that wheels are made for."""
    platforms = wheelhouse.TARGETS["pi64-bookworm"].platforms
    assert platforms[0] == "manylinux_2_36_aarch64"
    assert platforms[-2:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64"]
    assert "manylinux_2_37_aarch64" not in platforms


def test_an_unknown_board_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the message has the boards that there are."""
    with pytest.raises(SystemExit) as stop:
        wheelhouse.main(["pi5-zx"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "pi5-zx" in said
    assert all(board in said for board in wheelhouse.TARGETS)


def test_a_failure_leaves_the_old_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step that fails is exit code 1 with its message, and the folder of an earlier run stays as it was."""

    def fail(target: wheels.Target, wanted: Sequence[str], folder: Path) -> None:
        raise wheels.WheelsMissing("no such wheel")

    def build(folder: Path) -> Path:
        folder.mkdir()
        return tmp_path / "none.whl"

    monkeypatch.setattr(wheelhouse, "build_wheel", build)
    monkeypatch.setattr(wheelhouse, "requirements", lambda wheel, target: [])
    monkeypatch.setattr(wheelhouse, "download", fail)
    earlier = tmp_path / "pi64-bookworm" / "earlier.whl"
    earlier.parent.mkdir()
    earlier.touch()
    assert wheelhouse.main(["pi64-bookworm", "--folder", str(tmp_path)]) == 1
    assert "no such wheel" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pi64-bookworm"]
    assert earlier.exists()


def test_the_guide_has_every_tried_line() -> None:
    """docs/raspberry-pi.md has the very lines that test_installing.py types, and every wheelhouse is tried there."""
    guide = (CHECKOUT / "docs" / "raspberry-pi.md").read_text(encoding="utf-8")
    printed = [line for target in wheelhouse.TARGETS.values() for line in wheelhouse.device_lines(target)]
    for line in [INSTALL_64BIT, INSTALL_32BIT, *printed]:
        assert line in guide
    assert OFFLINE.keys() == wheelhouse.TARGETS.keys()
