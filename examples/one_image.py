"""One image: `python examples/one_image.py photo.png` prints what digit it shows, and how sure the model is."""

import sys
from pathlib import Path

from edge_runtime import Classifier, DigitsError
from edge_runtime.preprocessing.image_files import read_picture

if len(sys.argv) != 2:
    sys.exit("usage: python examples/one_image.py photo.png")
try:
    classifier = Classifier.load()  # the model that the package ships
    picture = read_picture(Path(sys.argv[1]))
except DigitsError as error:  # no such file, no image, no interpreter
    sys.exit(str(error))
result = classifier.classify(picture.image)
print(f"{result.label}  {100 * result.confidence:.1f} %", *picture.warnings, sep="\n")
