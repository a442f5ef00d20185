"""One image: `python examples/one_image.py photo.png` prints what digit it shows, and how sure the model is."""

import sys
from pathlib import Path

from edge_runtime import Classifier
from edge_runtime.images import read_picture

classifier = Classifier.load()  # the model that the package ships
picture = read_picture(Path(sys.argv[1]))
result = classifier.classify(picture.image)
print(f"{result.label}  {100 * result.confidence:.1f} %", *picture.warnings, sep="\n")
