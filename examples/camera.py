"""A camera: `python examples/camera.py 0`, a video file, a URL, or picamera2, prints each digit that is held before it, once."""

import sys

from edge_runtime import Classifier, DigitsError
from edge_runtime.classify.predictions import Predictor
from edge_runtime.inputs.camera import StableAnswer, frames, usable
from edge_runtime.preprocessing.image_files import picture_of

source = sys.argv[1] if len(sys.argv) > 1 else "0"
try:
    predictor, stable = Predictor(Classifier.load()), StableAnswer()
    for frame in frames(source):
        answer = predictor.predict(source, picture_of(frame))
        if digit := stable.see(answer.result.label, answer.result.confidence, usable=usable(answer.warnings)):
            print(digit, flush=True)
except DigitsError as error:  # no such camera, or no OpenCV
    sys.exit(str(error))
except KeyboardInterrupt:  # how it ends
    pass
