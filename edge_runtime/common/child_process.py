"""Run a module of this project in a child process, and quote its stderr."""

import os
import site
import sys
from pathlib import Path
from typing import BinaryIO

from edge_runtime.common.stderr_filter import filter_lines

_TAIL_BYTES = 4_096


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a child process with this Python.

    -P keeps the current directory off the import path: a `numpy.py` in a folder of downloads must not be run. -W hides runpy's warning
    about a module that its own package imports too.
    """
    return [sys.executable, "-P", "-W", f"ignore:'{module}' found in sys.modules:RuntimeWarning", "-m", module, *arguments]


def child_environment(*, verbose: bool = False) -> dict[str, str]:
    """This process's environment, in which a child finds the project's packages.

    They are put on PYTHONPATH unless they are installed: site-packages would come before the standard library, and a module there of the
    same name, such as an old backport, would replace the library's.

    With `verbose` the child filters nothing from its stderr, so that messages before a crash are not lost to the parent that reads it.
    """
    project = str(Path(__file__).parents[2])
    installed = project in (*site.getsitepackages(), site.getusersitepackages())
    path = os.pathsep.join([*([] if installed else [project]), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **({"PYTHONPATH": path} if path else {}), **({"EDGE_DIGITS_VERBOSE": "1"} if verbose else {})}


def last_line(stderr: BinaryIO) -> str:
    """The last line that a child printed, without the interpreters' log, as the end of a message: " (...)", or nothing."""
    stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _TAIL_BYTES))
    lines = filter_lines(stderr.read()).decode(errors="replace").split("\n")
    text = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f" ({''.join(letter if letter.isprintable() else ' ' for letter in text[:200])})" if text else ""
