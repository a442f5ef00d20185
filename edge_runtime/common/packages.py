"""What to say of packages that are missing or broken: the command that installs them, and the cause."""

import sys
from pathlib import Path


def pip_install() -> str:
    """`pip install` for this Python, to be followed by requirements, as text for a shell.

    A bare `pip` may be that of another Python. Where the system's Python is externally managed (PEP 668), as on Raspberry Pi OS, pip
    refuses to install outside of a virtual environment, so the command makes one.
    """
    import shlex  # only errors need them
    import sysconfig

    if sys.prefix == sys.base_prefix and (Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").exists():
        return "python3 -m venv ~/digits && ~/digits/bin/pip install"
    return f"{shlex.quote(sys.executable)} -m pip install"


def first_cause(error: BaseException) -> str:
    """The first error of a chain, in one line: numpy's message about a missing library fills a page, and its cause names the library."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split()) or type(error).__name__
