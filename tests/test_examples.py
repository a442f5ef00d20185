"""The examples run as they stand."""

import configparser
import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.preprocessing.image_files import png_bytes
from tests.commands import digits
from tests.conftest import ROOT
from tests.photos import invent_scene, jpeg_bytes, photograph
from tools.support.waiting import PATIENCE
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
    return subprocess.run(_command(name, *words), input=text, capture_output=True, text=True, env=environment, timeout=PATIENCE)


def test_a_photo_in_four_lines_of_python(tmp_path: Path, mnist: Dataset) -> None:
    """As `digits classify` answers it: label, confidence and warnings."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg_bytes(128 + photograph(mnist.validation.images[0], invent_scene(2)) // 6))
    lines = (
        "from edge_runtime import Classifier",
        "with Classifier.load() as classifier:",
        f"    prediction = classifier.classify_file({str(path)!r})",
        "print(prediction.label, prediction.confidence, *prediction.warnings, sep='|')",
    )
    found = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True, cwd=ROOT)
    label, confidence, *warnings = found.stdout.strip().split("|")
    answer = json.loads(digits("classify", path, "--json").out)
    assert (label, float(confidence), warnings) == (answer["label"], answer["confidence"], answer["warnings"])
    assert label == str(mnist.validation.labels[0])
    assert warnings[0].startswith("faint: ")


def test_one_image(photos: Path) -> None:
    """A label with its confidence."""
    found = _run("one_image.py", photos / "0.png")
    assert re.fullmatch(r"7  9\d\.\d %\n", found.stdout), found.stderr


def test_a_picture_without_a_digit_is_no_crash(photos: Path, tmp_path: Path) -> None:
    """It says so, and has empty fields in a table."""
    (photos / "8.png").write_bytes(png_bytes(np.full((60, 90), 230, np.uint8)))
    assert _run("one_image.py", photos / "8.png").stdout.startswith("no digit\nblank: ")
    _run("folder_to_csv.py", photos, tmp_path / "digits.csv")
    with (tmp_path / "digits.csv").open() as file:
        assert ("8.png", "", "") in [(row["file"], row["digit"], row["confidence"]) for row in csv.DictReader(file)]


def test_a_folder_to_csv(photos: Path, tmp_path: Path) -> None:
    """A row for each image; the broken file is named on stderr."""
    found = _run("folder_to_csv.py", photos, tmp_path / "digits.csv")
    with (tmp_path / "digits.csv").open() as file:
        assert [(row["file"], row["digit"]) for row in csv.DictReader(file)] == [("0.png", "7"), ("1.png", "2")]
    assert "9.png: is not a" in found.stderr
    assert found.returncode == 0


OPENCV = """
import numpy as np
class VideoCapture:
    def __init__(self, source): self.frames = iter(np.load(source)) if isinstance(source, str) else None
    def isOpened(self): return self.frames is not None
    def read(self):
        frame = next(self.frames, None)
        return frame is not None, frame
    def release(self): pass
"""


def test_a_camera(tmp_path: Path, mnist: Dataset) -> None:
    """Here OpenCV is a module of the test's, whose video shows a 7, a blank page, the 7 again, and then a 2."""
    seven, two = mnist.x_test[:2]
    np.save(tmp_path / "frames.npy", np.repeat(np.stack([seven, np.zeros_like(seven), seven, two]), 10, axis=0))
    (tmp_path / "cv2.py").write_text(OPENCV)
    found = _run("camera.py", tmp_path / "frames.npy", path=tmp_path)
    assert found.stdout.split() == ["7", "7", "2"], found.stderr


def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    """Nor OpenCV: a line says what to install."""
    (tmp_path / "cv2.py").write_text(OPENCV)
    _one_line(_run("camera.py", path=tmp_path), "no camera, stream or video")
    (tmp_path / "cv2.py").unlink()
    _one_line(_run("camera.py", "picamera2"), "python3-picamera2")


def _one_line(found: subprocess.CompletedProcess, text: str) -> None:
    """It ends with one line on stderr, nothing on stdout, and an exit code."""
    assert text in found.stderr
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1), found.stderr


@pytest.mark.parametrize("name", ["folder_to_csv.py", "on_button.py", "one_image.py", "service.py"])
def test_an_example_without_its_words_says_how_it_is_used(name: str) -> None:
    """In one line."""
    _one_line(_run(name), f"usage: python examples/{name} ")


def test_one_image_that_is_none(photos: Path) -> None:
    """Missing, or broken."""
    _one_line(_run("one_image.py", photos / "missing.png"), "missing.png: cannot be read")
    _one_line(_run("one_image.py", photos / "9.png"), "9.png: is not a")


def test_a_folder_without_images_makes_no_table(tmp_path: Path, photos: Path) -> None:
    """Missing, empty, or a file; nor does a place that cannot be written."""
    (tmp_path / "empty").mkdir()
    for folder, message in ((tmp_path / "missing", "No such"), (tmp_path / "empty", "no image file"), (photos / "0.png", "Not a")):
        _one_line(_run("folder_to_csv.py", folder, tmp_path / "digits.csv"), message)
    assert not (tmp_path / "digits.csv").exists()
    _one_line(_run("folder_to_csv.py", photos, tmp_path / "nowhere" / "digits.csv"), "digits.csv")


def test_a_service_without_its_folder(tmp_path: Path) -> None:
    """Ends at once, with a line."""
    _one_line(_run("service.py", tmp_path / "missing"), "which has to exist")


def test_a_callback(photos: Path) -> None:
    """Two presses of Enter, two answers."""
    assert _run("on_button.py", photos / "1.png", text="\n\n").stdout.split() == ["2", "2"]


GPIOZERO = """
class BadPinFactory(Exception): pass
class Button:
    def __init__(self, pin):
        if %r: raise BadPinFactory("Unable to load any default pin factory!")
        assert pin == 17
    def __setattr__(self, name, function):
        import os, signal
        assert name == "when_pressed"
        function()
        os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_button(photos: Path, tmp_path: Path) -> None:
    """Of gpiozero, here a module of the test's that presses it at once; where it has no pins, the Enter key is the button."""
    (tmp_path / "gpiozero.py").write_text(GPIOZERO % False)
    found = _run("on_button.py", photos / "1.png", path=tmp_path)
    assert (found.stdout, found.returncode) == ("2\n", -signal.SIGTERM), found.stderr
    (tmp_path / "gpiozero.py").write_text(GPIOZERO % True)
    found = _run("on_button.py", photos / "1.png", text="\n", path=tmp_path)
    assert (found.stdout, found.returncode) == ("2\n", 0)
    assert found.stderr == "gpiozero: Unable to load any default pin factory!; press Enter\n"


def test_a_callback_outlives_a_photo_that_is_missing(photos: Path) -> None:
    """A press without the file is a line on stderr, and the next one is answered."""
    photo = photos / "later.png"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(_command("on_button.py", photo), text=True, env=environment, **pipes) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        print(file=child.stdin, flush=True)
        assert "later.png: cannot be read" in child.stderr.readline()
        shutil.copy(photos / "1.png", photo)
        print(file=child.stdin, flush=True)
        assert child.stdout.readline() == "2\n"
        child.stdin.close()
        assert child.wait(PATIENCE) == 0


def test_a_service(photos: Path, tmp_path: Path) -> None:
    """A picture that comes is answered by a file of its own beside it, a broken one too; SIGTERM ends it with exit 0."""
    inbox = tmp_path / "in"
    inbox.mkdir()
    child = subprocess.Popen(
        _command("service.py", inbox), stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    )
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    for name in ("0.png", "9.png"):
        shutil.copy(photos / name, inbox / name)
    lines = [child.stdout.readline(), child.stdout.readline()]
    shutil.copy(photos / "1.png", inbox / "0.jpg")
    assert child.stdout.readline().startswith("0.jpg ")
    child.send_signal(signal.SIGTERM)
    rest, _ = child.communicate(timeout=PATIENCE)
    assert [line.split()[0] for line in lines] == ["0.png", "9.png"]
    assert json.loads((inbox / "0.png.json").read_text())["label"] == "7"
    assert json.loads((inbox / "0.jpg.json").read_text())["label"] == "2"
    assert "is not a" in json.loads((inbox / "9.png.json").read_text())["error"]
    assert (child.returncode, rest) == (0, "stopped\n")


def test_the_unit_file_starts_the_service() -> None:
    """Systemd reads it without a complaint where it is installed; its command names the example, and others can add pictures."""
    text = (EXAMPLES / "digits.service").read_text()
    assert "ExecStart=/opt/digits/bin/python /opt/digits/service.py /var/lib/digits/in" in text
    assert "MemoryMax=512M" in text  # tests/edge_runtime/preprocessing/test_image_fuzzing.py holds pictures to less
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    service = unit["Service"]
    assert ("DynamicUser" in service, service["User"]) == (False, "digits")  # its folder would be under a folder of root's
    assert (service["StateDirectory"], service["StateDirectoryMode"]) == ("digits digits/in", "0775")  # the group may add pictures
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
