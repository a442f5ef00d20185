"""A camera: `python examples/camera.py 0`, a video file, a URL, or picamera2, prints each digit that is held before it, once."""

import sys

from edge_runtime import Classifier
from edge_runtime.images import picture_of
from edge_runtime.sources.camera import StableAnswer, frames

classifier, stable = Classifier.load(), StableAnswer()
for frame in frames(sys.argv[1] if len(sys.argv) > 1 else "0"):
    result = classifier.classify(picture_of(frame).image)
    if digit := stable.see(result.label, result.confidence):
        print(digit, flush=True)
