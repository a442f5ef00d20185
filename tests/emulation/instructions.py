"""Counts the instructions that an emulated board runs for a picture, exactly: QEMU's user emulation with a plugin that counts.

Nothing that changes from run to run may decide how many there are: Python's hashes are fixed, OpenBLAS has one thread (others would
spin), the processor's clock stands still for numpy's sort (count_instructions.c), no compiled module is found, and paths and
environment are the same on every host.
"""

import json
import re
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .boards import CHECKOUT, HERE, Board, boot
from .devices import site_folder
from .host import ensure_host_packages, output_of

PLUGIN = HERE / "count_instructions.c"
PHOTO = HERE / "photo.jpg"
MODELS = CHECKOUT / "edge_runtime" / "models"
HOST_PACKAGES = {"qemu-user": "qemu-aarch64", "gcc": "gcc", "libc6-dev": "/usr/include/stdio.h"}

_LOADER, _LIBRARIES, _QEMU = Path("/lib64/ld-linux-x86-64.so.2"), Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/bin/qemu-aarch64")
_COUNTER, _SCRIPT = "/opt/count_instructions.so", "/opt/run_counted.py"
_ENVIRONMENT = {
    "PYTHONPATH": "/opt/project:/opt/site",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPYCACHEPREFIX": "/nowhere",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Counted:
    """What a board ran: instructions of each step by its name (the median of its calls), and versions of what they depend on."""

    steps: dict[str, int]
    versions: dict[str, str]


def count(board: Board) -> Counted:
    """Count each step of run_counted.py on a 64-bit board, of all models in `MODELS` and `PHOTO`, by this checkout.

    Raises:
        EmulationError: the host cannot emulate, or something failed on the board.
    """
    ensure_host_packages(HOST_PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder) / "count_instructions.so"
        output_of(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", plugin, PLUGIN])
        mounts = {
            "/opt/project/edge_runtime": CHECKOUT / "edge_runtime",
            "/opt/site": site_folder("litert"),
            "/opt/photo.jpg": PHOTO,
            _SCRIPT: HERE / "run_counted.py",
            _COUNTER: plugin,
            # QEMU with plugins is linked to the host's libraries; the board's have another architecture's folder
            "/usr/bin/qemu-aarch64": _QEMU,
            "/lib64": _LOADER.parent,
            "/lib/x86_64-linux-gnu": _LIBRARIES,
        }
        counting = [str(_LOADER), "--preload", _COUNTER, str(_QEMU), "-plugin", f"file={_COUNTER}"]
        command = ["/usr/bin/python3", _SCRIPT, "/opt/project/edge_runtime/models", "/opt/photo.jpg"]
        return parse(boot(board, mounts, _ENVIRONMENT).run([*counting, *command]))


def qemu_version() -> str:
    """Such as "7.2.22"."""
    found = re.search(r"version ([\d.]+)", output_of([_QEMU, "--version"]))
    return found[1] if found else "unknown"


def parse(printed: str) -> Counted:
    """What run_counted.py and the plugin printed: the median of each step's calls, less what an empty function takes."""
    versions, *lines = printed.splitlines()
    marks: dict[str, list[int]] = {}
    step = ""
    for line in lines:
        if line.isdecimal():
            marks[step].append(int(line))
        else:
            step = line
            marks[step] = []
    medians = {name: statistics.median_low(_calls(counts)) for name, counts in marks.items()}
    nothing = medians.pop("nothing")
    return Counted({name: median - nothing for name, median in medians.items()}, json.loads(versions))


def _calls(counts: list[int]) -> list[int]:
    """Instructions of each call: its end less its start."""
    return [end - start for start, end in zip(counts[::2], counts[1::2], strict=True)]
