"""How docs/raspberry-pi.md installs, as data for the tests that type its lines."""

from .boards import PI2, PI4, PI4_TRIXIE

INSTALL_64BIT = "python3 -m venv ~/digits && ~/digits/bin/pip install '.[litert]'"
"""With a network, in the folder of a clone."""
INSTALL_32BIT = "python3 -m venv --system-site-packages ~/digits && ~/digits/bin/pip install '.[tflite]'"

OFFLINE = {"pi64-bookworm": PI4, "pi64-trixie": PI4_TRIXIE, "pi32-bookworm": PI2}
"""Name of a wheelhouse -> the board that stands in for those that it is for."""
