"""Frames of a camera or a video, and an answer that does not flicker."""

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
_NO_DIGIT = ("blank", "unlike any digit")  # how the warnings of a frame begin that shows none
_LOST = 30  # frames in a row that a camera may fail to give


def frames(source: str) -> Iterator[Frame]:
    """Frames, grey, uint8 [height, width], until a video ends or a camera is gone.

    Args:
        source: a number of a camera, a URL or a video file, by OpenCV; "picamera2" for a Raspberry Pi's camera.

    Raises:
        MissingPackage: OpenCV or picamera2 is not there; the message says the line to run.
        ImageError: it cannot be opened.
    """
    return _picamera_frames() if source == PICAMERA else _opencv_frames(source)


def _opencv_frames(source: str) -> Iterator[Frame]:
    cv2 = _module("cv2", "pip install opencv-python-headless")
    camera = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    try:
        if not camera.isOpened():
            raise ImageError(f"{source}: no camera, stream or video that OpenCV can open")
        lost = 0
        while lost < (_LOST if source.isdecimal() else 1):
            there, frame = camera.read()
            lost = 0 if there else lost + 1
            if there:
                yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if frame.ndim == 3 else frame, np.uint8)
    finally:
        camera.release()


def _picamera_frames() -> Iterator[Frame]:
    module = _module(
        PICAMERA, "sudo apt install python3-picamera2, and make the venv with --system-site-packages (digits doctor says more)"
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


def _module(name: str, line: str) -> Any:
    if importlib.util.find_spec(name) is None:
        raise MissingPackage(f"{name} is not installed; {line}")
    return importlib.import_module(name)


def usable(warnings: Iterable[str]) -> bool:
    """Whether a frame with these warnings shows a digit at all: one that is blank, or like no digit, has an answer too, of no meaning."""
    return not any(text.startswith(_NO_DIGIT) for text in warnings)


@dataclass
class StableAnswer:
    """Says a label once most of the last frames agree on it, and again only after another one, or none, has come between.

    frames: how many are looked at. least: how many of them have to agree. confidence: below it, a frame says nothing.
    """

    frames: int = 7
    least: int = 5
    confidence: float = 0.8
    _last: deque[str | None] = field(init=False)
    _said: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._last = deque(maxlen=self.frames)

    def see(self, label: str, confidence: float, *, usable: bool = True) -> str | None:
        """Take the answer to a frame; `usable` is false for one without a digit, which `usable` of this module tells by its warnings.

        Returns:
            The label if it is to be said now, else None.
        """
        self._last.append(label if usable and confidence >= self.confidence else None)
        most, count = Counter(self._last).most_common(1)[0]
        if count < self.least or most == self._said:
            return None
        self._said = most
        return most
