"""Running a module of ours in a child process whose stderr is kept."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

from edge_runtime.common.stderr_filter import filter_lines

_TAIL = 4_096


def module_command(module: str, *words: str) -> list[str]:
    """The command that runs a module in another process of this interpreter.

    -P keeps the current directory off the import path: a `numpy.py` in somebody's folder of downloads must not be run. The warning is
    runpy's, of a module that its own package imports too.
    """
    return [sys.executable, "-P", "-W", f"ignore:'{module}' found in sys.modules:RuntimeWarning", "-m", module, *words]


def child_environment(*, talking: bool = False) -> dict[str, str]:
    """This process's environment, in which the child finds our packages, wherever they were imported from.

    A `talking` child holds nothing back on stderr: whoever started it reads that, and what it said before a crash must not be lost.
    """
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, **({"EDGE_DIGITS_VERBOSE": "1"} if talking else {})}


def last_words(stderr: BinaryIO) -> str:
    """The last line that a child printed into a file and that was not chatter, for the end of a message: " (...)", or nothing."""
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _TAIL))
    lines = filter_lines(stderr.read()).decode(errors="replace").split("\n")
    text = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f" ({''.join(letter if letter.isprintable() else ' ' for letter in text[:200])})" if text else ""
