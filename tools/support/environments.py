"""Virtual environments by uv, in a second or two; by pip where pip was told of an index, which uv does not read."""

import re
import subprocess
import sys
from pathlib import Path

from edge_runtime.errors import DigitsError

_OWN_INDEX = re.compile(r"index-url=.*https?:|\.proxy=|no-index=")  # as tools/make_venv.sh has it


class CannotInstall(DigitsError):
    """An environment cannot be made; the message ends in what the installer said."""


def make_environment(folder: Path, python: str, *wanted: str, by_pip: bool | None = None) -> Path:
    """The Python of a new environment with what `wanted` asks for.

    Args:
        folder: what it becomes.
        python: the interpreter that it is an environment of.
        wanted: requirements, and options that uv and pip both know.
        by_pip: as a user installs, by venv and pip; None for the quicker one that works here.

    Raises:
        CannotInstall: it cannot be made, or nothing fits.
    """
    if by_pip or (by_pip is None and _pip_has_its_own_index()):
        _run(python, "-m", "venv", "--clear", str(folder))
    else:
        _run(_uv(), "venv", "--quiet", "--clear", "--python", python, str(folder))
    made = folder / "bin" / "python"
    install(made, *wanted, by_pip=by_pip)
    return made


def install(python: Path, *wanted: str, by_pip: bool | None = None) -> None:
    """Install into an environment; the arguments are those of `make_environment`.

    Raises:
        CannotInstall: nothing fits.
    """
    if by_pip or (by_pip is None and _pip_has_its_own_index()):
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
    else:  # compiled, as by pip: many commands run there, each but briefly
        _run(_uv(), "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *wanted)


def installed(python: Path) -> set[str]:
    """Names of what an environment has, in lower case."""
    code = "import importlib.metadata as m; print(*(found.name.lower() for found in m.distributions()))"
    return set(_run(str(python), "-I", "-c", code).split())


def _uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def _pip_has_its_own_index() -> bool:
    return bool(_OWN_INDEX.search(_run(sys.executable, "-m", "pip", "config", "list")))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CannotInstall(f"this failed: {' '.join(command)}\n{(done.stderr or done.stdout).strip()[-2_000:]}")
    return done.stdout
