"""Running a module of ours in a child process."""

import os
import sys
from pathlib import Path


def module_command(module: str, *words: str) -> list[str]:
    """The command that runs a module in another process of this interpreter.

    -P keeps the current directory off the import path: a `numpy.py` in somebody's folder of downloads must not be run.
    """
    return [sys.executable, "-P", "-m", module, *words]


def child_environment() -> dict[str, str]:
    """This process's environment, in which the child finds our packages, wherever they were imported from."""
    here = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])}
