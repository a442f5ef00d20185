"""Virtual environments of other Pythons for the tests."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.support import environments


@dataclass(frozen=True)
class Environment:
    """A Python version and what is installed in it: for the wheel an extra of it, and releases that are pinned."""

    python: str
    extra: str
    pinned: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For the names of tests."""
        return "-".join((self.python, self.extra, *self.pinned))

    @property
    def parameter(self) -> object:
        """Of a test or a fixture."""
        return pytest.param(self, id=self.name)


def find_python(version: str) -> str:
    """An interpreter of that version: on the path, or among pyenv's. Where none is, the test is skipped, or fails in the gate."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        found = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if found.returncode == 0 and found.stdout.startswith(f"Python {version}."):
            return candidate
    if os.environ.get("CI"):
        pytest.fail(f"no Python {version} on this machine")
    pytest.skip(f"no Python {version} on this machine")


def make_environment(folder: Path, version: str, *wanted: str, by_pip: bool | None = None) -> Path:
    """The bin folder of a new environment of that Python with `wanted` in it; see `tools.support.environments.make_environment`."""
    return environments.make_environment(folder, find_python(version), *wanted, by_pip=by_pip).parent
