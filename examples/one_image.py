"""Classify one image: `python examples/one_image.py photo.jpg` prints the digit, the model's confidence, and warnings."""

import sys

from edge_runtime import Classifier, DigitsError

if len(sys.argv) != 2:
    sys.exit("usage: python examples/one_image.py photo.jpg")
try:
    with Classifier.load() as classifier:  # the default model, "small"
        prediction = classifier.classify_file(sys.argv[1])
except DigitsError as error:  # no such file, not an image, no interpreter
    sys.exit(str(error))
answer = "no digit" if prediction.label is None else f"{prediction.label}  {100 * prediction.confidence:.1f} %"
print(answer, *prediction.warnings, sep="\n")
