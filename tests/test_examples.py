"""The examples run as they stand."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.images import png_bytes
from tests.conftest import ROOT
from train.data import Dataset

EXAMPLES = ROOT / "examples"


@pytest.fixture
def photos(tmp_path: Path, mnist: Dataset) -> Path:
    """A folder with a 7, a 2 and a broken file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.png").write_bytes(png_bytes(mnist.x_test[number]))
    (folder / "9.png").write_bytes(b"broken")
    return folder


def _command(name: str, *words: object) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *map(str, words)]


def _run(name: str, *words: object, text: str = "", path: Path | None = None) -> subprocess.CompletedProcess:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(map(str, [ROOT, *([path] if path else [])]))}
    return subprocess.run(_command(name, *words), input=text, capture_output=True, text=True, env=environment, timeout=60)


def test_one_image(photos: Path) -> None:
    """A label with its confidence."""
    found = _run("one_image.py", photos / "0.png")
    assert re.fullmatch(r"7  9\d\.\d %\n", found.stdout), found.stderr


def test_a_folder_to_csv(photos: Path, tmp_path: Path) -> None:
    """A row for each image; the broken file is named on stderr."""
    found = _run("folder_to_csv.py", photos, tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open() as file:
        assert [(row["file"], row["digit"]) for row in csv.DictReader(file)] == [("0.png", "7"), ("1.png", "2")]
    assert "9.png: is no" in found.stderr
    assert found.returncode == 0


def test_a_camera(tmp_path: Path, mnist: Dataset) -> None:
    """Here OpenCV is a module of the test's, whose video shows a 7 and then a 2."""
    np.save(tmp_path / "frames.npy", np.repeat(mnist.x_test[:2], 10, axis=0))
    (tmp_path / "cv2.py").write_text(
        "import numpy as np\n"
        "class VideoCapture:\n"
        "    def __init__(self, source): self.frames = iter(np.load(source))\n"
        "    def isOpened(self): return True\n"
        "    def read(self):\n"
        "        frame = next(self.frames, None)\n"
        "        return frame is not None, frame\n"
        "    def release(self): pass\n"
    )
    found = _run("camera.py", tmp_path / "frames.npy", path=tmp_path)
    assert found.stdout.split() == ["7", "2"], found.stderr


def test_a_callback(photos: Path) -> None:
    """Two presses of Enter, two answers."""
    assert _run("on_button.py", photos / "1.png", text="\n\n").stdout.split() == ["2", "2"]


def test_a_service(photos: Path, tmp_path: Path) -> None:
    """A picture that comes is answered by a file beside it, a broken one too; SIGTERM ends it with exit 0."""
    inbox = tmp_path / "in"
    inbox.mkdir()
    child = subprocess.Popen(
        _command("service.py", inbox), stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    )
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    time.sleep(1)  # until it has looked at the empty folder
    for name in ("0.png", "9.png"):
        shutil.copy(photos / name, inbox / name)
    lines = [child.stdout.readline(), child.stdout.readline()]
    child.send_signal(signal.SIGTERM)
    rest, _ = child.communicate(timeout=60)
    assert [line.split()[0] for line in lines] == ["0.png", "9.png"]
    assert json.loads((inbox / "0.json").read_text())["label"] == "7"
    assert "is no" in json.loads((inbox / "9.json").read_text())["error"]
    assert (child.returncode, rest) == (0, "stopped\n")


def test_the_unit_file_starts_the_service() -> None:
    """Systemd reads it without a complaint where it is installed; its command names the example."""
    text = (EXAMPLES / "digits.service").read_text()
    assert "ExecStart=/opt/digits/bin/python /opt/digits/service.py /var/lib/digits/in" in text
    if analyze := shutil.which("systemd-analyze"):
        found = subprocess.run([analyze, "verify", str(EXAMPLES / "digits.service")], capture_output=True, text=True)
        complaints = [line for line in found.stderr.splitlines() if "digits.service" in line and "not executable" not in line]
        assert complaints == []


def test_every_example_is_tested_and_says_how_to_run_it() -> None:
    """By its docstring."""
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert names == ["camera.py", "folder_to_csv.py", "on_button.py", "one_image.py", "service.py"]
    for name in names:
        assert f"python examples/{name}" in (EXAMPLES / name).read_text()
