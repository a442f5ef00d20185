"""Runs on an emulated board: verifies every model file of a folder in one process.

    python3 verify_all.py FOLDER BACKEND

prints one JSON object: for each file's name, whether its golden images came out as recorded, or what the interpreter said.
"""

import json
import sys
from pathlib import Path

from edge_runtime import Classifier
from edge_runtime.device.verification import verify
from edge_runtime.errors import ModelFileError


def main(folder: str, backend: str) -> None:
    """Print what became of each file."""
    found: dict[str, bool | str] = {}
    for path in sorted(Path(folder).glob("*.tflite")):
        try:
            found[path.name] = verify(Classifier.load(path, backend=backend)).passed
        except ModelFileError as error:
            found[path.name] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
