"""Runs on an emulated board under count_instructions.c: what is to be counted, with a mark (os.getppid) before and after each call.

    python3 run_counted.py MODELS PHOTO

prints a line of JSON with the versions of what runs, then for each step its name, which is followed by the counts that the plugin
prints at the marks.
"""

import io
import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

from edge_runtime import Classifier
from edge_runtime.preprocessing.image_files import read_picture

MANY, FEW = 9, 3
"""Calls of a step, odd for the median's sake: of one that is quick, and of one that decodes a photo."""


def main(models: str, photo: str) -> None:
    """Run every step. Threads wait for each other and are never interrupted, so that it is the same work each time."""
    sys.setswitchinterval(1_000)
    content = Path(photo).read_bytes()
    image = read_picture(io.BytesIO(content)).image
    print(json.dumps(_versions()))
    run("nothing", lambda: None, MANY)
    run("photo", lambda: read_picture(io.BytesIO(content)), FEW)
    for path in sorted(Path(models).glob("*.tflite")):
        with Classifier.load(path) as classifier:
            run(f"{path.name} pixels", lambda: classifier.classify(image), MANY)
            run(f"{path.name} label", lambda: classifier.classify_file(io.BytesIO(content)), FEW)


def run(step: str, function: Callable[[], object], calls: int) -> None:
    """Call a function between marks, after as many calls that warm it up."""
    mark = os.getppid
    for _ in range(calls):
        function()
    print(step, flush=True)
    for _ in range(calls):
        mark()
        function()
        mark()


def _versions() -> dict[str, str]:
    wheels = {found.name: found.version for found in distributions() if "/opt/site" in str(found.locate_file(""))}
    return wheels | {"Python": platform.python_version(), "glibc": platform.libc_ver()[1]}


if __name__ == "__main__":
    main(*sys.argv[1:])
