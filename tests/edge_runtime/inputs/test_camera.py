"""A camera that shows no digit: nothing is reported, and the digit that comes back is reported again."""

import json
import threading
import types
from pathlib import Path

import numpy as np
import pytest

from edge_runtime import Classifier, ImageError, MissingPackage, Prediction
from edge_runtime.inputs import camera as camera_module
from edge_runtime.inputs.camera import MajorityVote, frames, shows_digit
from edge_runtime.preprocessing.image_files import to_picture
from tests.commands import digits, one_line
from tests.conftest import draw_digit
from tools.support.waiting import PATIENCE
from train.data import Dataset

PAPER = np.full((480, 640), 225, np.uint8)
VIDEO = "video.mp4"
"""Of a camera some frames would be dropped."""
HELD = 7
"""Frames that each picture is held before the camera for."""


def _page(digit: np.ndarray) -> np.ndarray:
    """A digit, dark on light paper: uint8 [480, 640]."""
    page = PAPER.copy()
    large = np.kron(digit, np.ones((6, 6), np.uint8))
    page[150 : 150 + large.shape[0], 230 : 230 + large.shape[1]] -= np.minimum(large, 180)
    return page


def _scribble() -> np.ndarray:
    """What nobody takes for a digit: a star of eight rays."""
    down, across = np.indices(PAPER.shape) - np.array([240, 320]).reshape(2, 1, 1)
    near = np.maximum(abs(down), abs(across)) < 85
    rays = np.minimum.reduce([abs(down - across), abs(down + across), abs(down), abs(across)]) < 8
    return np.where(near & rays, 40, PAPER)


SEVEN = _page(draw_digit(7))
NOISE = np.random.default_rng(0).normal(0, 1, PAPER.shape)


class _Camera:
    """What OpenCV's capture does: each picture for some frames, with a camera's noise, then no more."""

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.left = [
            np.asarray((picture + NOISE[: len(picture), : picture.shape[1]]).clip(0, 255), np.uint8)
            for picture in pictures
            for _ in range(HELD)
        ]

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        return (True, self.left.pop(0)) if self.left else (False, None)

    def release(self) -> None:
        self.left = []


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Pictures that are put into this list are what the camera shows."""
    pictures: list[np.ndarray] = []
    module = types.SimpleNamespace(VideoCapture=lambda source: _Camera(pictures))
    monkeypatch.setattr(camera_module, "_module", lambda name, line: module)
    return pictures


def _reported() -> list[Prediction]:
    """The predictions that are reported of all frames."""
    classifier, vote = Classifier.load(), MajorityVote()
    answers = (classifier.classify_picture(to_picture(frame), VIDEO) for frame in frames(VIDEO))
    return [
        answer for answer in answers if vote.add(answer.label if shows_digit(answer.warnings) else None, answer.confidence or 0.0)
    ]


@pytest.mark.parametrize("between", [PAPER, np.zeros_like(PAPER), np.full_like(PAPER, 255), _scribble()])
def test_a_digit_is_said_again_after_what_is_none(show: list[np.ndarray], between: np.ndarray) -> None:
    """Blank paper, a covered lens, a light, a star: none of them is reported."""
    show += [between, SEVEN, between, SEVEN, between]
    assert [answer.label for answer in _reported()] == ["7", "7"]


def test_frames_of_28x28_pixels_may_be_blank_too(show: list[np.ndarray], mnist: Dataset) -> None:
    """Of a sensor that is as small as that."""
    seven = mnist.x_test[0].astype(int)
    show += [seven, np.zeros((28, 28)), seven, np.full((28, 28), 255), 255 - seven]
    assert [answer.label for answer in _reported()] == ["7", "7", "7"]


def test_other_warnings_do_not_make_a_frame_unusable(show: list[np.ndarray]) -> None:
    """They are told with the answer."""
    show += [100 + SEVEN // 10]
    (answer,) = _reported()
    assert [warning.partition(":")[0] for warning in answer.warnings] == ["faint"]
    assert shows_digit(())
    assert shows_digit(["several digits: 2 were found", "small: the digit is 9 pixels large"])
    assert not shows_digit(["blank: no ink stands out from the paper"])
    assert not shows_digit(["faint: ...", "unlike any digit seen in training (so are 1.0 % of photos of digits)"])


def test_the_command_says_a_digit_again_after_a_blank_page(show: list[np.ndarray]) -> None:
    """With the warnings of its frame; the blank page is no line."""
    show += [PAPER, 100 + SEVEN // 10, PAPER, SEVEN, PAPER]
    answer = digits("classify", "--camera", VIDEO, "--json")
    assert answer.code == 0, answer.err
    reported = [json.loads(line) for line in answer.out.splitlines()]
    assert [one["label"] for one in reported] == ["7", "7"]
    assert [[text.partition(":")[0] for text in one["warnings"]] for one in reported] == [["faint"], []]


class _Live:
    """A camera or a stream that gives frames of these shades, then fails; `delivered` is set before it fails for the first time.

    The first frame comes at once, the others when `resume` is set.
    """

    def __init__(self, shades: list[int | None], count: int = -1) -> None:
        self.shades, self.count, self.first = shades, count, True
        self.resume, self.delivered, self.released = threading.Event(), threading.Event(), threading.Event()

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return True

    def get(self, _: int) -> float:
        return self.count

    def read(self) -> tuple[bool, np.ndarray | None]:
        if not self.first:
            self.resume.wait(PATIENCE)
        self.first = False
        if not self.shades:
            self.delivered.set()
            return False, None
        shade = self.shades.pop(0)
        return shade is not None, None if shade is None else np.full((2, 3), shade, np.uint8)

    def release(self) -> None:
        self.released.set()


class _Clock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _opened(camera: _Live, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.SimpleNamespace(VideoCapture=lambda source: camera, CAP_PROP_FRAME_COUNT=7)
    monkeypatch.setattr(camera_module, "_module", lambda name, line: module)
    monkeypatch.setattr(camera_module, "time", _Clock())


@pytest.mark.parametrize("source", ["0", "rtsp://camera/stream"])
def test_a_slow_reader_gets_the_newest_frame(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those that were queued while it was classifying; frames that fail now and then are passed over."""
    camera = _Live([1, None, 2, None, None, 3])
    _opened(camera, monkeypatch)
    found = frames(source)
    assert next(found)[0, 0] == 1
    camera.resume.set()
    assert camera.delivered.wait(PATIENCE)
    assert next(found)[0, 0] == 3
    with pytest.raises(ImageError, match="gave no frame for 5 s"):
        next(found)
    assert camera.released.wait(PATIENCE)


def test_a_camera_is_released_by_who_stops_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that reads it ends."""
    camera = _Live([1] * 1_000)
    camera.resume.set()
    _opened(camera, monkeypatch)
    found = frames("0")
    next(found)
    found.close()
    assert camera.released.is_set()


def test_a_video_behind_a_url_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a number of frames, each of which is read."""
    camera = _Live([1, 2, 3], count=3)
    camera.resume.set()
    _opened(camera, monkeypatch)
    assert [int(frame[0, 0]) for frame in frames("http://camera/video.mp4")] == [1, 2, 3]
    assert camera.released.is_set()


def test_a_lost_camera_is_exit_4(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what watches the command starts it again."""
    camera = _Live([])
    camera.resume.set()
    _opened(camera, monkeypatch)
    assert "0: gave no frame for 5 s; check the camera" in one_line(digits("classify", "--camera", "0"), 4)


def test_require_digit_is_refused_with_a_camera() -> None:
    """Frames without a digit are not reported at all."""
    assert "--require-digit cannot be combined with --camera" in one_line(digits("classify", "--camera", "0", "--require-digit"), 2)


@pytest.mark.parametrize("error", [IndexError("list index out of range"), RuntimeError("Device or resource busy")])
def test_a_raspberry_pi_without_a_free_camera(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, as for any camera."""

    def refuse() -> None:
        raise error

    monkeypatch.setattr(camera_module, "_module", lambda name, line: types.SimpleNamespace(Picamera2=refuse))
    assert f"picamera2: no camera that can be opened ({error})" in one_line(digits("classify", "--camera", "picamera2"), 4)


def test_a_camera_library_that_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As picamera2 beside a numpy that it was not built for: a ValueError."""
    (tmp_path / "picamera2.py").write_text("raise ValueError('numpy.dtype size changed')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackage, match=r"cannot be imported \(numpy.dtype size changed\); run digits doctor"):
        next(frames("picamera2"))
