"""Frames of a camera or a video, and a majority vote over their predictions."""

import importlib
import importlib.util
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.packages import broken_package, pip_install
from edge_runtime.errors import ImageError, MissingPackage

PICAMERA = "picamera2"
Frame = NDArray[np.uint8]
"""uint8 [height, width]: grey."""
_NO_DIGIT = ("blank", "unlike any digit")  # prefixes of the warnings of a frame without a digit
_GRACE_SECONDS, _RETRY_SECONDS = 5, 0.1  # a camera may fail to deliver frames for so long, and is asked again so often


def frames(source: str) -> Iterator[Frame]:
    """Yield grey frames, uint8 [height, width], until a video ends. Of a camera or a stream, each is the newest one: others are dropped.

    Args:
        source: a camera's number, a URL or a video file, read by OpenCV; "picamera2" for a Raspberry Pi's camera.

    Raises:
        MissingPackage: OpenCV or picamera2 is not installed, or does not work; the message says how to install it.
        ImageError: the source cannot be opened, or a camera or a stream gave no frame for five seconds.
    """
    return _picamera_frames() if source == PICAMERA else _opencv_frames(source)


def _opencv_frames(source: str) -> Iterator[Frame]:
    cv2 = _module("cv2", f"{pip_install()} opencv-python-headless")
    camera = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not camera.isOpened():
        camera.release()
        raise ImageError(f"{source}: no camera, stream or video that OpenCV can open")
    # A stream has no number of frames; a video file behind a URL has one.
    live = source.isdecimal() or ("://" in source and camera.get(cv2.CAP_PROP_FRAME_COUNT) <= 0)
    with closing(_newest_frames(camera) if live else _all_frames(camera)) as found:
        for frame in found:
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if frame.ndim == 3 else frame, np.uint8)
    if live:
        raise ImageError(f"{source}: gave no frame for {_GRACE_SECONDS} s; check the camera or the stream, and start again")


def _all_frames(camera: Any) -> Generator[Any]:
    """Yield each frame of a video, and release it."""
    try:
        while (found := camera.read())[0]:
            yield found[1]
    finally:
        camera.release()


def _newest_frames(camera: Any) -> Generator[Any]:
    """Yield the newest frame of a camera until it has failed for some time, and release it.

    A thread reads all frames: drivers and networks queue some, so whoever reads only as fast as it classifies sees the past.
    """
    newest, ended = None, False
    changed = threading.Condition()

    def read() -> None:
        nonlocal newest, ended
        try:
            since = time.monotonic()
            while not ended and time.monotonic() - since < _GRACE_SECONDS:
                success, frame = camera.read()
                if not success:
                    time.sleep(_RETRY_SECONDS)
                    continue
                since = time.monotonic()
                with changed:
                    newest = frame
                    changed.notify()
        finally:
            camera.release()
            with changed:
                ended = True
                changed.notify()

    def ready() -> bool:
        return ended or newest is not None

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(ready)
                frame, newest = newest, None
            if frame is None:
                return
            yield frame
    finally:
        ended = True
        thread.join(_GRACE_SECONDS)  # a lost stream may block OpenCV for longer


def _picamera_frames() -> Iterator[Frame]:
    module = _module(
        PICAMERA, "sudo apt install python3-picamera2, and make the venv with --system-site-packages (see digits doctor)"
    )
    size = (640, 480)
    with ExitStack() as stack:
        try:
            camera = module.Picamera2()
            stack.callback(camera.close)  # it stops the camera too
            camera.configure(camera.create_preview_configuration(main={"size": size, "format": "YUV420"}))
            camera.start()
        except (IndexError, RuntimeError) as error:  # no camera; another program has it
            raise ImageError(f"{PICAMERA}: no camera that can be opened ({error}); see rpicam-hello --list-cameras") from error
        while True:
            yield np.asarray(camera.capture_array("main")[: size[1], : size[0]], np.uint8)  # the Y of YUV comes first


def _module(name: str, install: str) -> Any:
    if importlib.util.find_spec(name) is None:
        raise MissingPackage(f"{name} is not installed; {install}")
    try:
        return importlib.import_module(name)
    except Exception as error:  # a missing library of the system is an ImportError, one built for another numpy a ValueError
        raise MissingPackage(broken_package(error, name)) from error


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
