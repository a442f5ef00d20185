"""A camera that shows no digit: nothing is reported, and the digit that comes back is reported again."""

import json
import types

import numpy as np
import pytest

from edge_runtime import Classifier, Prediction
from edge_runtime.inputs import camera as camera_module
from edge_runtime.inputs.camera import MajorityVote, frames, shows_digit
from edge_runtime.preprocessing.image_files import to_picture
from tests.commands import digits
from tests.conftest import draw_digit
from train.data import Dataset

PAPER = np.full((480, 640), 225, np.uint8)
HELD = 7
"""Frames that each picture is held before the camera for."""


def _page(digit: np.ndarray) -> np.ndarray:
    """A digit, dark on light paper: uint8 [480, 640]."""
    page = PAPER.copy()
    large = np.kron(digit, np.ones((6, 6), np.uint8))
    page[150 : 150 + large.shape[0], 230 : 230 + large.shape[1]] -= np.minimum(large, 180)
    return page


def _scribble() -> np.ndarray:
    """What nobody takes for a digit: a square full of dots."""
    page = PAPER.copy()
    page[150:320:17, 230:400] = 40
    page[150:320, 230:400:17] = 40
    return page


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
    answers = (classifier.classify_picture(to_picture(frame), "0") for frame in frames("0"))
    return [
        answer for answer in answers if vote.add(answer.label if shows_digit(answer.warnings) else None, answer.confidence or 0.0)
    ]


@pytest.mark.parametrize("between", [PAPER, np.zeros_like(PAPER), np.full_like(PAPER, 255), _scribble()])
def test_a_digit_is_said_again_after_what_is_none(show: list[np.ndarray], between: np.ndarray) -> None:
    """Blank paper, a covered lens, a light, a grid: none of them is reported."""
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
    answer = digits("classify", "--camera", "0", "--json")
    assert answer.code == 0, answer.err
    reported = [json.loads(line) for line in answer.out.splitlines()]
    assert [one["label"] for one in reported] == ["7", "7"]
    assert [[text.partition(":")[0] for text in one["warnings"]] for one in reported] == [["faint"], []]
