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


def make_button() -> object | None:
    """The button; None where there is no gpiozero, or no pins for it."""
    try:
        from gpiozero import BadPinFactory, Button
    except ImportError:
        return None
    try:
        button = Button(PIN)
    except BadPinFactory as error:  # a PC, or a Raspberry Pi without a library for its pins, such as lgpio
        print(f"gpiozero: {error}; press Enter", file=sys.stderr, flush=True)
        return None
    button.when_pressed = when_pressed
    return button


if button := make_button():  # it has to be kept: gpiozero lets go of a pin that nobody holds
    from signal import pause

    pause()
for _ in sys.stdin:
    when_pressed()
