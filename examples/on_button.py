"""Classify when a button is pressed: gpiozero's on a Raspberry Pi, elsewhere the Enter key.

`python examples/on_button.py photo.png` reads the file at each press. gpiozero calls `when_pressed` on a thread of its own; that is safe,
since threads may share a classifier.
"""

import sys

from edge_runtime import Classifier, DigitsError

PIN = 17
if len(sys.argv) != 2:
    sys.exit("usage: python examples/on_button.py photo.png")
try:
    classifier = Classifier.load()
except DigitsError as error:
    sys.exit(str(error))


def when_pressed() -> None:
    """Classify the file as it is now, since a camera may have rewritten it. An error, such as a missing file, is printed."""
    try:
        print(classifier.classify_file(sys.argv[1]).label or "no digit", flush=True)
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
