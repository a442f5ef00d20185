"""Ask a Pico for the digit of a picture: `python examples/pico/ask.py photo.jpg [/dev/ttyACM0]` prints its label and logits."""

import sys

from edge_runtime import DigitsError, read_picture

BAUD = 115_200  # USB ignores it

if len(sys.argv) not in (2, 3):
    sys.exit("usage: python examples/pico/ask.py photo.jpg [/dev/ttyACM0]")
try:
    import serial
except ImportError:
    sys.exit("pyserial is not installed; install it with: pip install pyserial")
try:
    picture = read_picture(sys.argv[1])  # the digit of a photo, in 28x28 pixels
    if picture.blank:
        sys.exit(f"{sys.argv[1]}: no digit was found")
    with serial.Serial(sys.argv[2] if len(sys.argv) == 3 else "/dev/ttyACM0", BAUD, timeout=5) as port:
        port.reset_input_buffer()
        port.write(picture.image.tobytes())
        answer = port.readline().decode().strip()
except (DigitsError, serial.SerialException) as error:  # no such file, not an image, no Pico
    sys.exit(str(error))
if not answer:
    sys.exit("the Pico did not answer within 5 seconds; is examples/pico flashed?")
print(answer)
