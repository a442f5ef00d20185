"""What to say of packages that are missing or broken: the command that installs them, and the cause."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

_DEBIAN = Path("/etc/debian_version")
_MISSING_LIBRARY = re.compile(r"\b(lib[\w.+-]+?)\.so\.(\d+)\S*: cannot open")
# Debian's packages of libraries whose names do not follow its rule.
_UNRULY = {"libjpeg": "libjpeg62-turbo", "libz": "zlib1g", "libglib-2.0": "libglib2.0-0", "libgthread-2.0": "libglib2.0-0"}


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


def broken_package(error: BaseException, name: str = "") -> str:
    """Say that an installed package cannot be imported, why, and what to do. Without `name`, it is the package that the errors name."""
    name = name or next(filter(None, map(_package_of, _chain(error))), "a package")
    cause = first_cause(error)
    remedy = shared_library_remedy(cause) or "run digits doctor"
    return f"{name.partition('.')[0]} is installed but cannot be imported ({cause}); {remedy}"


def _package_of(error: BaseException) -> str:
    """The package that an import error is about; empty if it does not say. An extension module has a name without its package's."""
    found = re.search(r"/(?:site|dist)-packages/([^/]+)/", getattr(error, "path", None) or "")
    return found[1] if found else getattr(error, "name", None) or ""


def shared_library_remedy(message: str) -> str:
    """The command of `apt_install`, where there is apt."""
    return apt_install(message) if _DEBIAN.exists() else ""


def first_cause(error: BaseException) -> str:
    """The first error of a chain, in one line: numpy's message about a missing library fills a page, and its cause names the library."""
    *_, first = _chain(error)
    return " ".join(str(first).split()) or type(first).__name__


def apt_install(message: str) -> str:
    """The command that installs the shared library which an error names, by Debian's rule for names of packages; empty if it names none."""
    found = _MISSING_LIBRARY.search(message)
    if not found:
        return ""
    name, number = found.groups()
    ruled = f"{name.lower().replace('_', '-')}{'-' if name[-1].isdigit() else ''}{number}"
    return f"sudo apt install {_UNRULY.get(name, ruled)}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on."""
    following: BaseException | None = error
    while following:
        yield following
        following = following.__cause__ or following.__context__
