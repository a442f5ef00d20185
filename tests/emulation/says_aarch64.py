"""Mounted over a 32-bit root's sitecustomize.py: has Python's os.uname() say aarch64, as it does there on a 64-bit kernel.

QEMU always names the machine after the userland that it runs.
"""

import os

_uname = os.uname()
os.uname = lambda: os.uname_result((*_uname[:4], "aarch64"))
