"""Wheels that are quick to install: a program `digits` that does nothing but say that it passed, and pip's real wheel."""

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

_PROGRAM = """\
import sys
def start():
    print("{said}")
    sys.exit({code})
"""


def stub_wheel(folder: Path, version: str = "0.1.0", said: str = "passed", code: int = 0) -> Path:
    """A wheel of this project's name, whose program prints `said` and exits with `code`."""
    info = f"edge_digits-{version}.dist-info"
    metadata = f"Metadata-Version: 2.4\nName: edge-digits\nVersion: {version}\nProvides-Extra: litert\nProvides-Extra: serve\n"
    files = {
        "stub_digits.py": _PROGRAM.format(said=said, code=code),
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ndigits = stub_digits:start\n",
    }
    lines = [f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    wheel = folder / f"edge_digits-{version}-py3-none-any.whl"
    folder.mkdir(exist_ok=True, parents=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def _digest(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
