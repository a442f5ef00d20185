"""Find and call C compilers, and the programs that they made."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from edge_runtime.errors import DigitsError

_TIMEOUT = 3600  # seconds


def find_compiler() -> str | None:
    """The C compiler of this machine: that of $CC, cc, gcc or clang; None if there is none."""
    return next(filter(None, map(shutil.which, (os.environ.get("CC") or "cc", "gcc", "clang"))), None)


def call(command: Sequence[str], folder: str, content: bytes = b"", *, with_errors: bool = False) -> bytes:
    """Run a program in a folder, with `content` as its input.

    Returns:
        What it printed; `with_errors`, its stderr too.

    Raises:
        DigitsError: it cannot be run, or fails.
    """
    try:
        done = subprocess.run(command, cwd=folder, input=content, capture_output=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DigitsError(f"{command[0]} cannot be run ({error})") from error
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())[:300]
        raise DigitsError(f"{command[0]} failed with exit code {done.returncode} ({reason})")
    return done.stdout + done.stderr if with_errors else done.stdout
