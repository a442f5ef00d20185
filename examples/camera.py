"""A camera: `python examples/camera.py 0`, a video file, a URL, or picamera2, prints each digit that is held before it, once."""

import sys

from edge_runtime import Classifier, DigitsError
from edge_runtime.answers import Answerer
from edge_runtime.images import picture_of
from edge_runtime.sources.camera import StableAnswer, frames, usable

source = sys.argv[1] if len(sys.argv) > 1 else "0"
try:
    answerer, stable = Answerer(Classifier.load()), StableAnswer()
    for frame in frames(source):
        answer = answerer.answer(source, picture_of(frame))
        if digit := stable.see(answer.result.label, answer.result.confidence, usable=usable(answer.warnings)):
            print(digit, flush=True)
except DigitsError as error:  # no such camera, or no OpenCV
    sys.exit(str(error))
except KeyboardInterrupt:  # how it ends
    pass
