"""A folder to a table: `python examples/folder_to_csv.py scans/ answers.csv`. Files that are no images are left out, and named."""

import csv
import sys
from pathlib import Path

from edge_runtime import Classifier
from edge_runtime.errors import ImageError
from edge_runtime.images import find_images, read_picture

classifier = Classifier.load("nano", threads=2)
folder, table = map(Path, sys.argv[1:])
with table.open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["file", "digit", "confidence"])
    for path in find_images(folder):
        try:
            result = classifier.classify(read_picture(path).image)
        except ImageError as error:
            print(error, file=sys.stderr)
        else:
            rows.writerow([path.name, result.label, f"{result.confidence:.3f}"])
