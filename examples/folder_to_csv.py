"""A folder to a table: `python examples/folder_to_csv.py scans/ answers.csv`. Files that are no images are left out, and named."""

import csv
import sys
from pathlib import Path

from edge_runtime import Classifier, DigitsError
from edge_runtime.errors import ImageError
from edge_runtime.preprocessing.image_files import image_names, read_picture

if len(sys.argv) != 3:
    sys.exit("usage: python examples/folder_to_csv.py scans/ answers.csv")
folder, table = map(Path, sys.argv[1:])
try:  # all that may go wrong before the table is begun
    names = image_names(folder)
    classifier = Classifier.load("nano", threads=2)
    file = table.open("w", newline="")
except (DigitsError, OSError) as error:
    sys.exit(str(error))
with file:
    rows = csv.writer(file)
    rows.writerow(["file", "digit", "confidence"])
    for name in names:
        try:
            result = classifier.classify(read_picture(folder / name).image)
        except ImageError as error:
            print(error, file=sys.stderr)
        else:
            rows.writerow([name, result.label, f"{result.confidence:.3f}"])
