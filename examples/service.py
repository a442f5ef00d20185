"""Classify images as they are added to a folder, and write a file beside each: a.png.json. `digits.service` runs it under systemd.

`python examples/service.py /var/lib/digits/in`; SIGTERM ends it after the current image.
"""

import json
import signal
import sys
import threading
from pathlib import Path

from edge_runtime import Classifier, DigitsError, ImageError
from edge_runtime.common.atomic_files import write_file
from edge_runtime.inputs.watching import watch


class Stopped(Exception):
    """Raised by `wait` after SIGTERM."""


if len(sys.argv) != 2 or not (folder := Path(sys.argv[1])).is_dir():
    sys.exit("usage: python examples/service.py FOLDER, which has to exist")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())


def wait(seconds: float) -> None:
    """Sleep until the folder is polled again."""
    if stop.wait(seconds):
        raise Stopped


try:
    classifier = Classifier.load()
    paths = watch(folder, wait)
    print("ready", flush=True)
    for path in paths:
        try:
            prediction = classifier.classify_file(path)
            answer = {"label": prediction.label, "confidence": prediction.confidence, "warnings": prediction.warnings}
        except ImageError as error:
            answer = {"error": str(error)}
        write_file(path.with_name(f"{path.name}.json"), json.dumps(answer) + "\n", force=True)
        print(path.name, answer, flush=True)
except Stopped:
    print("stopped", flush=True)
except DigitsError as error:  # no interpreter, or the folder was removed: systemd restarts the service
    sys.exit(str(error))
