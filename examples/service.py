"""A service: answers pictures that come into a folder with a .json file beside each. `digits.service` starts it with the system.

`python examples/service.py /var/lib/digits/in`; systemd's SIGTERM ends it after the picture at hand.
"""

import json
import signal
import sys
import threading
from pathlib import Path

from edge_runtime import Classifier, DigitsError
from edge_runtime.common.atomic_files import write_file
from edge_runtime.errors import ImageError
from edge_runtime.inputs.watching import watch
from edge_runtime.preprocessing.image_files import read_picture


class Stopped(Exception):
    """Raised while the service waits for pictures."""


if len(sys.argv) != 2 or not (folder := Path(sys.argv[1])).is_dir():
    sys.exit("usage: python examples/service.py FOLDER, which has to be there")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())


def wait(seconds: float) -> None:
    """Until the folder is to be looked at again, or the service is stopped."""
    if stop.wait(seconds):
        raise Stopped


try:
    classifier = Classifier.load()
    pictures = watch(folder, wait)
    print("ready", flush=True)
    for path in pictures:
        try:
            picture = read_picture(path)
            result = classifier.classify(picture.image)
            answer = {"label": result.label, "confidence": result.confidence, "warnings": picture.warnings}
        except ImageError as error:
            answer = {"error": str(error)}
        write_file(path.with_suffix(".json"), json.dumps(answer) + "\n", force=True)
        print(path.name, answer, flush=True)
except Stopped:
    print("stopped", flush=True)
except DigitsError as error:  # no interpreter, or the folder is gone: systemd starts it again
    sys.exit(str(error))
