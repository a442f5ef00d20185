"""Where pictures come from: patterns, standard input, a watched folder, a camera; and the forms of answers."""

import csv
import functools
import io
import json
import os
import select
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import ImageError, MissingPackage
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inputs import camera as camera_module
from edge_runtime.inputs import files
from edge_runtime.inputs.camera import MajorityVote, frames
from edge_runtime.inputs.files import expand, map_ahead, read_items
from edge_runtime.inputs.watching import watch
from edge_runtime.preprocessing.image_files import array_picture, png_bytes
from tests.commands import digits, one_line
from tests.conftest import ROOT
from tools.support.waiting import PATIENCE
from train.data import Dataset


@pytest.fixture
def folder(tmp_path: Path, mnist: Dataset) -> Path:
    """The first four test digits: 7, 2, 1, 0."""
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(png_bytes(mnist.x_test[number]))
    return tmp_path


def _run(*words: object, given: bytes = b"") -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "edge_runtime.cli", "classify", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, cwd=ROOT)


def _labels(text: str) -> list[str]:
    return [line.split(": ")[1].split()[0] for line in text.splitlines()]


def test_a_pattern_stands_for_the_files_that_fit(folder: Path) -> None:
    """By name, folders on the way included; one that nothing fits is exit 4, and a file of that very name goes first."""
    assert _labels(digits("classify", folder / "[02].png").out) == ["7", "1"]
    assert _labels(digits("classify", folder.parent / f"{folder.name[:-1]}?").out) == ["7", "2", "1", "0"]
    assert "no file matches this pattern" in one_line(digits("classify", folder / "x*.png"), 4)
    (folder / "0.png").rename(folder / "a[1].png")
    assert _labels(digits("classify", folder / "a[1].png").out) == ["7"]


def test_standard_input_is_an_image(folder: Path) -> None:
    """Recognised by its first bytes."""
    found = _run("-", given=(folder / "1.png").read_bytes())
    assert (found.returncode, found.stdout.decode().split()[:2]) == (0, ["-:", "2"])


def test_standard_input_is_a_stream_of_paths(folder: Path) -> None:
    """Answered as they come: the second path is written after the first answer is there."""
    child = subprocess.Popen(
        [sys.executable, "-m", "edge_runtime.cli", "classify", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdin
    assert child.stdout
    for number, label in ((0, b"7"), (3, b"0")):
        child.stdin.write(f"{folder / f'{number}.png'}\n".encode())
        child.stdin.flush()
        assert child.stdout.readline().split()[1] == label
    child.communicate(timeout=PATIENCE)
    assert child.returncode == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"\x89PNG broken", "-: is no"),
        (b"\xff\xfe\x00not utf-8\n", "neither an image nor a path per line"),
        (b"none.png\n", "none.png: cannot be read"),
        (b"x" * 70_000 + b"\n", "neither an image nor a path per line"),
        (b"a\0b.png\n", "neither an image nor a path per line"),
        (b"", "standard input is empty"),
    ],
)
def test_standard_input_that_is_nothing_is_exit_4(given: bytes, message: str) -> None:
    """One line for each, never a traceback."""
    found = list(read_items(expand(["-"], io.BytesIO(given))))
    assert all(isinstance(item.picture, ImageError) for item in found)
    assert message in str(found[0].picture)
    assert max(len(str(item.picture)) for item in found) < 200


def test_binary_input_is_one_line() -> None:
    """Of many that are no text; a name that is not UTF-8 is a name."""
    noise = b"".join(b"\xff\x00\x17%d\n" % number for number in range(10_000))
    (found,) = read_items(expand(["-"], io.BytesIO(noise)))
    assert "neither an image nor a path per line" in str(found.picture)
    names = [item.source for item in read_items(expand(["-"], io.BytesIO(b"gr\xfcn.png\nmissing.png\n")))]
    assert names == [os.fsdecode(b"gr\xfcn.png"), "missing.png"]
    names = [item.source for item in read_items(expand(["-"], io.BytesIO(b"a.png\nb\x1b[0m.png\nc.png\n")))]
    assert names == ["a.png", "-", "c.png"]  # one odd line among paths costs itself alone
    for begin, most in ((b"%PDF-1.4\n%\xe2\xe3\n1 0 obj\n", 1), (b"P6\n28 28\n255\n", 4), (b"\0\0\0\x18ftypheic", 1)):
        assert len(list(read_items(expand(["-"], io.BytesIO(begin + noise))))) == most


def test_a_pattern_of_no_images_says_so(tmp_path: Path) -> None:
    """Whether one file matches or more."""
    for count in (1, 2):
        (tmp_path / f"{count}.txt").write_text("no picture")
        (found,) = read_items(expand([f"{tmp_path}/*.txt"], io.BytesIO()))
        assert ("none of 2 files that match is an image" in str(found.picture)) == (count == 2)
        assert isinstance(found.picture, ImageError)


def test_an_endless_image_on_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """After as many bytes as an image may have; no more are read."""
    monkeypatch.setattr(files, "_MOST_BYTES", 1_000)
    stdin = io.BytesIO(b"\x89PNG\r\n" + bytes(100_000))
    (found,) = read_items(expand(["-"], stdin))
    assert "too many for an image" in str(found.picture)
    assert stdin.tell() < 2_000


def test_a_path_is_answered_before_the_next_is_written(folder: Path) -> None:
    """Whoever talks with us in turns is not kept waiting, on however many threads files are read."""
    command = [sys.executable, "-m", "edge_runtime.cli", "classify", "-", "--threads", "4"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as child:
        assert child.stdin
        assert child.stdout
        for path in sorted(folder.glob("*.png"))[:3]:
            child.stdin.write(f"{path}\n")
            assert select.select([child.stdout], [], [], 30)[0], "no answer"
            assert child.stdout.readline().startswith(f"{path}: ")
        child.stdin.close()


def test_no_name_at_all_is_no_folder() -> None:
    """An empty word is not the folder that we stand in."""
    assert "'' is no file name" in one_line(digits("classify", ""), 4)


def test_a_name_with_a_line_break_is_one_record(folder: Path) -> None:
    """Quoted in CSV, and one line on stderr."""
    (folder / "a\nb.png").write_bytes((folder / "1.png").read_bytes())
    answer = digits("classify", folder / "a\nb.png", "--csv")
    (_, row) = csv.reader(io.StringIO(answer.out))
    assert row[0] == str(folder / "a\nb.png")
    (folder / "a\nb.png").write_bytes(b"broken")
    assert one_line(digits("classify", folder / "a\nb.png"), 4)


def test_many_are_answered_together_as_one_by_one(folder: Path, mnist: Dataset) -> None:
    """The same answers, from a file of many images; sums of a batch are rounded in another order."""
    np.save(folder / "many.npy", mnist.x_test[:300])
    lines = digits("classify", folder / "many.npy", "--json", "--threads", 2).out.splitlines()
    single = Classifier.load()
    for line, image in zip(lines, mnist.x_test[:300], strict=True):
        found, alone = json.loads(line), single.classify_picture(array_picture(image)).fields()
        assert (found["label"], found["warnings"]) == (alone["label"], list(alone["warnings"]))
        assert found["scores"] == pytest.approx(alone["scores"], rel=1e-4)


def test_broken_files_do_not_end_the_run(folder: Path) -> None:
    """Each is a line on stderr; the others are answered in order, on threads too; the exit code is 4."""
    (folder / "1.png").write_bytes(b"broken")
    (folder / "2b.png").write_bytes(b"")
    for threads in (1, 3):
        answer = digits("classify", folder, "--threads", threads)
        assert (answer.code, _labels(answer.out)) == (4, ["7", "1", "0"])
        assert [line.split(":")[1].strip() for line in answer.err.splitlines()] == [
            str(folder / name) for name in ("1.png", "2b.png")
        ]


def test_csv_has_a_header_and_quotes_what_must_be(folder: Path) -> None:
    """Read again by Python's own reader."""
    (folder / "0.png").rename(folder / 'a,"b".png')
    rows = list(csv.DictReader(io.StringIO(digits("classify", folder, "--csv").out)))
    assert [row["label"] for row in rows] == ["2", "1", "0", "7"]
    assert rows[-1]["source"] == str(folder / 'a,"b".png')
    assert all(0.9 < float(row["confidence"]) <= 1 for row in rows)


@given(st.lists(st.integers(), max_size=40), st.integers(1, 5))
def test_work_ahead_keeps_the_order(numbers: list[int], threads: int) -> None:
    """And never has more than two results for each thread waiting."""
    taken = []

    def source() -> Iterator[int]:
        for number in numbers:
            taken.append(number)
            yield number

    found = []
    for result in map_ahead(lambda number: number * 2, source(), threads):
        found.append(result)
        assert len(taken) - len(found) <= 2 * threads + 1
    assert found == [number * 2 for number in numbers]


def test_a_watched_folder_gives_files_once_they_are_whole(folder: Path, mnist: Dataset) -> None:
    """Not those that were there, nor one that still grows, nor another kind; one that is written again comes again."""
    content, steps = png_bytes(mnist.x_test[0]), []

    def act(_: float) -> None:
        steps.append(1)
        if len(steps) == 1:
            (folder / "new.png").write_bytes(content[:50])
            (folder / "text.txt").write_bytes(content)
            (folder / ".new.png").write_bytes(content)
        if len(steps) == 2:
            (folder / "new.png").write_bytes(content)
        if len(steps) == 5:
            (folder / "1.png").write_bytes(content + b"more")
        if len(steps) > 20:
            raise KeyboardInterrupt

    found = watch(folder, act)
    assert next(found) == folder / "new.png"
    assert len(steps) == 3
    assert next(found) == folder / "1.png"
    with pytest.raises(KeyboardInterrupt):
        next(found)


def test_a_link_that_leads_nowhere_does_not_end_watching(tmp_path: Path) -> None:
    """The other files are given."""
    (tmp_path / "loop.png").symlink_to("loop.png")
    new = iter([tmp_path / "new.png"])
    found = watch(tmp_path, lambda _: [path.write_bytes(b"content") for path in new])
    assert next(found) == tmp_path / "new.png"


def test_a_folder_that_cannot_be_watched_is_an_error(tmp_path: Path) -> None:
    """By its name."""
    assert "none: cannot be read" in one_line(digits("classify", "--watch", tmp_path / "none"), 4)


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 4)])
def test_watching_ends_with_ctrl_c(broken: bool, code: int, folder: Path) -> None:
    """Files that come are answered while the command runs; Ctrl-C is exit 0, or 4 if one of them could not be used."""
    (folder / "in").mkdir()
    command = [sys.executable, "-m", "edge_runtime.cli", "classify", "--watch", str(folder / "in"), "--json"]
    # Where this suite runs in the background, Ctrl-C is ignored, and children would inherit that.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, preexec_fn=heed)  # noqa: PLW1509
    assert child.stdout
    assert child.stderr
    stop = threading.Event()

    def come() -> None:
        number = 0
        while not stop.wait(0.5):  # until the command is up, what comes is there already
            number += 1
            for name, content in (("good", (folder / "3.png").read_bytes()), ("bad", b"broken")):
                if broken or name == "good":
                    (folder / ".hidden.png").write_bytes(content)
                    (folder / ".hidden.png").rename(folder / "in" / f"{number}{name}.png")

    thread = threading.Thread(target=come)
    thread.start()
    try:
        assert json.loads(child.stdout.readline())["label"] == "0"
        assert not broken or b"bad.png: is not a PNG" in child.stderr.readline()
    finally:
        stop.set()
        thread.join()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=PATIENCE)
    assert child.returncode == code


class _Camera:
    """What OpenCV gives of a video: colour frames, so many of each image."""

    def __init__(self, images: list[np.ndarray], count: int) -> None:
        self.images, self.each, self.left = images, count, count * len(images)

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return bool(self.images)

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        image = self.images[-1 - max(self.left, 0) // self.each]
        return self.left >= 0, np.dstack([image] * 3)

    def release(self) -> None:
        self.left = -1


@pytest.fixture
def opencv(monkeypatch: pytest.MonkeyPatch, mnist: Dataset) -> types.SimpleNamespace:
    """OpenCV with one video."""
    module = types.SimpleNamespace(
        VideoCapture=lambda source: _Camera([mnist.x_test[0]] if source == "seven.mp4" else [], 20),
        COLOR_BGR2GRAY=6,
        cvtColor=lambda frame, _: frame[..., 0],
    )
    monkeypatch.setattr(camera_module, "_module", lambda name, line: module)
    return module


def test_a_camera_says_a_digit_once(opencv: types.SimpleNamespace) -> None:
    """Though many frames show it."""
    answer = digits("classify", "--camera", "seven.mp4", "--json")
    assert answer.code == 0, answer.err
    assert [json.loads(line)["label"] for line in answer.out.splitlines()] == ["7"]
    assert "no camera, stream or video" in one_line(digits("classify", "--camera", "video.mp4"), 4)


def test_a_camera_says_nothing_of_paper(opencv: types.SimpleNamespace, mnist: Dataset) -> None:
    """A blank page has a label, which is not reported; the digit that comes back after it is reported again."""
    digit = np.kron(255 - mnist.x_test[0], np.ones((8, 8), np.uint8))
    blank = np.full((400, 400), 230, np.uint8)
    opencv.VideoCapture = lambda source: _Camera([blank, np.pad(digit, 88, constant_values=255), blank] * 2, 20)
    answer = digits("classify", "--camera", "paper.mp4", "--json")
    assert [json.loads(line)["label"] for line in answer.out.splitlines()] == ["7", "7"]


@pytest.mark.parametrize("source", ["0", "picamera2"])
def test_a_camera_without_its_package_says_what_to_install(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    monkeypatch.setattr(camera_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match="install"):
        next(frames(source))


def test_a_raspberry_pi_s_camera_gives_grey_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first 480 rows of YUV; it is closed at the end, which stops it."""
    seen = []

    class Picamera2:
        def create_preview_configuration(self, main: dict) -> dict:
            return main

        def configure(self, found: dict) -> None:
            seen.append(found["format"])

        def start(self) -> None:
            seen.append("start")

        def close(self) -> None:
            seen.append("close")

        def capture_array(self, name: str) -> np.ndarray:
            return np.full((720, 640), 9, np.uint8)

    monkeypatch.setattr(camera_module, "_module", lambda name, line: types.SimpleNamespace(Picamera2=Picamera2))
    found = frames("picamera2")
    assert next(found).shape == (480, 640)
    found.close()
    assert seen == ["YUV420", "start", "close"]


def _said(labels: str) -> str:
    vote = MajorityVote(frames=5, minimum=4)
    return "".join(vote.add(None if label == " " else label, 0.1 if label == "?" else 0.99) or "." for label in labels)


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ("77777777", "...7...."),
        ("7171717171", ".........."),
        ("77777111111", "...7....1.."),
        ("7777     7777", "...7........7"),
        ("77?77", "....7"),
        ("7777?7777", "...7....."),
        ("", ""),
    ],
)
def test_a_stable_answer_does_not_flicker(seen: str, message: str) -> None:
    """It is reported once most frames agree, and again only after something else; a frame of low confidence abstains."""
    assert _said(seen) == message.ljust(len(seen), ".")


def test_a_broken_pipe_is_no_traceback(folder: Path) -> None:
    """`digits classify ... | head -1`."""
    command = f"{sys.executable} -m edge_runtime.cli classify {' '.join([str(folder)] * 50)} | head -1"
    found = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ))
    assert "Traceback" not in found.stderr
