"""Frames of a camera or a video, and a majority vote over their predictions."""

import importlib
import importlib.util
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import ImageError, MissingPackage

PICAMERA = "picamera2"
Frame = NDArray[np.uint8]
"""uint8 [height, width]: grey."""
_NO_DIGIT = ("blank", "unlike any digit")  # prefixes of the warnings of a frame without a digit
_MAX_FAILURES = 30  # consecutive frames that a camera may fail to deliver


def frames(source: str) -> Iterator[Frame]:
    """Yield grey frames, uint8 [height, width], until a video ends or a camera fails.

    Args:
        source: a camera's number, a URL or a video file, read by OpenCV; "picamera2" for a Raspberry Pi's camera.

    Raises:
        MissingPackage: OpenCV or picamera2 is not installed; the message gives the command that installs it.
        ImageError: the source cannot be opened.
    """
    return _picamera_frames() if source == PICAMERA else _opencv_frames(source)


def _opencv_frames(source: str) -> Iterator[Frame]:
    cv2 = _module("cv2", "pip install opencv-python-headless")
    camera = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    try:
        if not camera.isOpened():
            raise ImageError(f"{source}: no camera, stream or video that OpenCV can open")
        failures = 0
        while failures < (_MAX_FAILURES if source.isdecimal() else 1):
            success, frame = camera.read()
            failures = 0 if success else failures + 1
            if success:
                yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if frame.ndim == 3 else frame, np.uint8)
    finally:
        camera.release()


def _picamera_frames() -> Iterator[Frame]:
    module = _module(
        PICAMERA, "sudo apt install python3-picamera2, and make the venv with --system-site-packages (see digits doctor)"
    )
    camera = module.Picamera2()
    size = (640, 480)
    camera.configure(camera.create_preview_configuration(main={"size": size, "format": "YUV420"}))
    camera.start()
    try:
        while True:
            yield np.asarray(camera.capture_array("main")[: size[1], : size[0]], np.uint8)  # the Y of YUV comes first
    finally:
        camera.stop()


def _module(name: str, install: str) -> Any:
    if importlib.util.find_spec(name) is None:
        raise MissingPackage(f"{name} is not installed; {install}")
    return importlib.import_module(name)


def shows_digit(warnings: Iterable[str]) -> bool:
    """Whether a frame with these warnings shows a digit: the label of an out-of-distribution frame is meaningless."""
    return not any(text.startswith(_NO_DIGIT) for text in warnings)


@dataclass
class MajorityVote:
    """Majority vote over the last frames, so that a label is reported once for each digit shown.

    frames: number of frames that vote. minimum: votes that a label needs. confidence: a frame below it abstains.
    """

    frames: int = 7
    minimum: int = 5
    confidence: float = 0.8
    _votes: deque[str | None] = field(init=False)
    _winner: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._votes = deque(maxlen=self.frames)

    def add(self, label: str | None, confidence: float) -> str | None:
        """Add the prediction for a frame; `label` is None for a frame without a digit (see `shows_digit`).

        Returns:
            The label if it has just won the vote, else None. It can win again after another label, or none, has won.
        """
        self._votes.append(label if confidence >= self.confidence else None)
        winner, count = Counter(self._votes).most_common(1)[0]
        if count < self.minimum or winner == self._winner:
            return None
        self._winner = winner
        return winner
