"""Classify a folder: `python examples/folder_to_csv.py scans/ digits.csv` writes a row per image; unreadable files are reported."""

import csv
import sys
from pathlib import Path

from edge_runtime import Classifier, DigitsError, ImageError
from edge_runtime.preprocessing.image_files import image_names

if len(sys.argv) != 3:
    sys.exit("usage: python examples/folder_to_csv.py scans/ digits.csv")
folder, table = map(Path, sys.argv[1:])
try:  # everything that can fail before the table is begun
    names = image_names(folder)
    classifier = Classifier.load("nano")
    file = table.open("w", newline="")
except (DigitsError, OSError) as error:
    sys.exit(str(error))
with file, classifier:
    rows = csv.writer(file)
    rows.writerow(["file", "digit", "confidence"])
    for name in names:
        try:
            prediction = classifier.classify_file(folder / name)
        except ImageError as error:
            print(error, file=sys.stderr)
        else:
            rows.writerow([name, prediction.label, prediction.confidence])  # both None, an empty field, if it shows no digit
