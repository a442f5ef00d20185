"""A callback: what happens when a button is pressed, on a Raspberry Pi with gpiozero; elsewhere the Enter key is the button.

`python examples/on_button.py photo.png` answers anew each time. gpiozero calls `when_pressed` from a thread of its own, and a classifier
is for one thread at a time: hence the lock.
"""

import sys
import threading
from pathlib import Path

from edge_runtime import Classifier, DigitsError
from edge_runtime.preprocessing.image_files import read_picture

PIN = 17
if len(sys.argv) != 2:
    sys.exit("usage: python examples/on_button.py photo.png")
try:
    classifier, turn = Classifier.load(), threading.Lock()
except DigitsError as error:
    sys.exit(str(error))


def when_pressed() -> None:
    """Classify the file as it is now, which a camera may have written since. That it is not there yet is told, and ends nothing."""
    with turn:
        try:
            print(classifier.classify(read_picture(Path(sys.argv[1])).image).label, flush=True)
        except DigitsError as error:
            print(error, file=sys.stderr, flush=True)


try:
    from gpiozero import Button
except ImportError:
    for _ in sys.stdin:
        when_pressed()
else:
    from signal import pause

    button = Button(PIN)
    button.when_pressed = when_pressed
    pause()
