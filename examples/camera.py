"""Classify a camera: `python examples/camera.py 0` (or a video file, a URL, or picamera2) prints each digit shown to it, once."""

import sys

from edge_runtime import Classifier, DigitsError
from edge_runtime.inputs.camera import MajorityVote, frames, shows_digit
from edge_runtime.preprocessing.image_files import to_picture

source = sys.argv[1] if len(sys.argv) > 1 else "0"
try:
    classifier, vote = Classifier.load(), MajorityVote()
    for frame in frames(source):
        prediction = classifier.classify_picture(to_picture(frame))
        label = prediction.label if shows_digit(prediction.warnings) else None
        if digit := vote.add(label, prediction.confidence or 0.0):
            print(digit, flush=True)
except DigitsError as error:  # no such camera, or OpenCV is not installed
    sys.exit(str(error))
except KeyboardInterrupt:  # Ctrl-C ends it
    pass
