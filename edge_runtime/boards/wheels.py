"""Wheels for a board: this project's, and those of everything that it imports there. The board needs no network and no compiler."""

import base64
import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import DigitsError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]
_WRITTEN_BY_PIP = ("INSTALLER", "REQUESTED", "direct_url.json")


@frozen_dataclass
class Target:
    """A kind of board, as pip sees it."""

    system: str
    python: str
    machine: str
    glibc: int
    """Minor version of its C library, glibc 2.x."""
    runtime: str
    """The project's extra that has an interpreter for it."""
    from_debian: tuple[str, ...] = ()
    """Python packages that PyPI has no wheel of for it; there they come from Debian."""

    @property
    def platforms(self) -> list[str]:
        """Tags of the binary wheels that it can load, best first: those for its C library or an older one."""
        tags = [f"manylinux_2_{minor}_{self.machine}" for minor in range(self.glibc, 16, -1)]
        return [*tags, f"manylinux2014_{self.machine}"]


class WheelsMissing(DigitsError):
    """A step failed; the message says which and what it printed."""


def own_wheel(folder: Path) -> Path:
    """This project's wheel in `folder`: built from the checkout, or packed again from what is installed.

    Raises:
        WheelsMissing: it did not build.
    """
    return build_wheel(folder) if (CHECKOUT / "pyproject.toml").is_file() else _pack_installed(folder)


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel into `folder`, by way of its source archive, so that no leftover of an older build gets in."""
    with tempfile.TemporaryDirectory() as distribution:
        run_python("-m", "build", "--outdir", distribution, str(CHECKOUT))
        (built,) = Path(distribution).glob("*.whl")
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(built, folder))


def _pack_installed(folder: Path) -> Path:
    """A wheel of the files that pip installed; its RECORD lists them anew."""
    installed = importlib.metadata.distribution("edge-digits")
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"edge_digits-{installed.version}-py3-none-any.whl"
    lines, record = [], ""
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(installed.files or ()):
            if file.name == "RECORD":
                record = str(file)
            elif ".." not in file.parts and file.suffix != ".pyc" and file.name not in _WRITTEN_BY_PIP:
                content = file.read_binary()
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                lines.append(f"{file},sha256={digest},{len(content)}")
                archive.writestr(zipfile.ZipInfo(str(file)), content, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo(record), "".join(f"{line}\n" for line in [*lines, f"{record},,"]))
    return wheel


def requirements(wheel: Path, target: Target, extra: str = "") -> list[str]:
    """What the project's wheel needs on the target, as PEP 508 strings without markers.

    pip judges the markers of what it downloads by the Python that runs it, so they are judged here for the target.

    Args:
        wheel: the project's wheel.
        target: the kind of board.
        extra: what this extra adds; empty for what the target's interpreter and everything else need.
    """
    from packaging.requirements import Requirement

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    wanted = map(Requirement, metadata.get_all("Requires-Dist", []))
    return [_without_marker(needed) for needed in wanted if _applies(needed, target, extra)]


def _applies(needed: "Requirement", target: Target, extra: str) -> bool:
    from packaging.utils import canonicalize_name

    if canonicalize_name(needed.name) in target.from_debian:
        return False
    environment = {
        "extra": extra or target.runtime,
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "platform_machine": target.machine,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
    }
    if needed.marker is None:
        return not extra
    return needed.marker.evaluate(environment) and not (extra and needed.marker.evaluate({**environment, "extra": ""}))


def _without_marker(needed: "Requirement") -> str:
    extras = f"[{','.join(sorted(needed.extras))}]" if needed.extras else ""
    return f"{needed.name}{extras}{needed.specifier}"


def download(target: Target, wanted: Sequence[str], folder: Path, *, follow: bool = False) -> None:
    """Have pip put the target's wheels of `wanted`, and of what they need in turn, into `folder`.

    Beside packages of Debian pip must not follow requirements, unless `follow` says so: it would ask for wheels of those packages too.

    Raises:
        WheelsMissing: a wheel is not available.
    """
    options = ["--no-deps"] if target.from_debian and not follow else []
    run_python("-m", "pip", "download", *pip_options(target), *options, "--dest", str(folder), *wanted)


def pip_options(target: Target) -> list[str]:
    """Options with which pip chooses wheels for the target instead of for this machine."""
    platforms = [option for platform in target.platforms for option in ("--platform", platform)]
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}", *platforms]


def run_python(*arguments: str) -> None:
    """Run this Python with arguments.

    Raises:
        WheelsMissing: it failed; the message ends in what it printed.
    """
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise WheelsMissing(f"this failed: python {' '.join(arguments)}\n{said}")


def requirement(target: Target, extras: Sequence[str]) -> str:
    """What pip has to install on a board."""
    return f"edge-digits[{','.join([target.runtime, *extras])}]"


def gather(target: Target, extras: Sequence[str], folder: Path) -> None:
    """Put all wheels for a board into `folder`, pip's own too: the board may have none.

    Raises:
        WheelsMissing: a wheel is not available.
    """
    wheel = own_wheel(folder)
    download(target, ["pip", *requirements(wheel, target)], folder)
    if more := [needed for extra in extras for needed in requirements(wheel, target, extra)]:
        download(target, more, folder, follow=True)
