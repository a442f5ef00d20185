"""Gathers the wheels that a board without network needs: this project's, and those of everything that it imports there.

    python tools/release/wheelhouse.py pi64-bookworm        (or: make wheelhouse BOARD=pi64-bookworm)

fills wheelhouse/pi64-bookworm/ and prints the lines to type on the board. It needs `build` and `packaging` (extra `dev`).
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
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


TARGETS = {
    "pi64-bookworm": Target("64-bit Raspberry Pi OS Bookworm", "3.11", "aarch64", 36, "litert"),
    "pi64-trixie": Target("64-bit Raspberry Pi OS Trixie", "3.13", "aarch64", 41, "litert"),
    "pi32-bookworm": Target("32-bit Raspberry Pi OS Bookworm", "3.11", "armv7l", 36, "tflite", ("numpy", "pillow")),
}
NO_RUNTIME = "32-bit Trixie (Python 3.13) and ARMv6 boards (Pi 1, Zero, Zero W): no interpreter has a wheel for them."


class WheelhouseError(RuntimeError):
    """A step failed; the message says which and what it printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill one board's folder. Exit code 0 when it holds every wheel, 1 when a step failed, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    target = TARGETS[options.board]
    folder: Path = options.folder / options.board
    try:
        gather(target, folder)
    except WheelhouseError as error:
        print(f"wheelhouse: {error}", file=sys.stderr)
        return 1
    wheels = list(folder.glob("*.whl"))
    print(f"{folder}: {len(wheels)} wheels, {sum(wheel.stat().st_size for wheel in wheels) / 1e6:.1f} MB, for {target.system}")
    print("Copy that folder to the board. There, inside the folder:")
    print("".join(f"    {line}\n" for line in device_lines(target)), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    boards = "".join(f"  {name:<15} {target.system}, Python {target.python}\n" for name, target in TARGETS.items())
    parser = argparse.ArgumentParser(
        prog="wheelhouse",
        description="Gather the wheels for a board without network.",
        epilog=f"boards:\n{boards}\nnot possible: {NO_RUNTIME}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("board", choices=TARGETS, metavar="BOARD", help=f"one of: {', '.join(TARGETS)}")
    parser.add_argument("--folder", type=Path, default=Path("wheelhouse"), help="where to put it (default: wheelhouse)")
    return parser


def device_lines(target: Target) -> list[str]:
    """The commands that install from the folder, to be typed on the board inside it."""
    install = f"~/digits/bin/pip install --no-index --find-links . 'edge-digits[{target.runtime}]'"
    if not target.from_debian:
        return ["python3 -m venv ~/digits", install]
    packages = "sudo apt install python3-venv python3-numpy python3-pil   # needs a network once, or these .deb files"
    return [packages, "python3 -m venv --system-site-packages ~/digits", install]


def gather(target: Target, folder: Path) -> None:
    """Fill `folder` with the target's wheels; what it held before is replaced once all of them are there.

    Raises:
        WheelhouseError: the project did not build, or a wheel is not to be had.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workshop:
        made = Path(workshop) / "wheels"
        wheel = build_wheel(made)
        download(target, requirements(wheel, target), made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel into `folder`, by way of its source archive, so that no leftover of an older build gets in."""
    with tempfile.TemporaryDirectory() as distribution:
        run_python("-m", "build", "--outdir", distribution, str(CHECKOUT))
        (built,) = Path(distribution).glob("*.whl")
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(built, folder))


def requirements(wheel: Path, target: Target) -> list[str]:
    """What the project's wheel needs on the target, as PEP 508 strings without markers.

    pip judges the markers of what it downloads by the Python that runs it, so they are judged here for the target.
    """
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    wanted = map(Requirement, metadata.get_all("Requires-Dist", []))
    return [_without_marker(needed) for needed in wanted if _applies(needed, target)]


def _applies(needed: Requirement, target: Target) -> bool:
    if canonicalize_name(needed.name) in target.from_debian:
        return False
    environment = {
        "extra": target.runtime,
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "platform_machine": target.machine,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
    }
    return needed.marker is None or needed.marker.evaluate(environment)


def _without_marker(needed: Requirement) -> str:
    extras = f"[{','.join(sorted(needed.extras))}]" if needed.extras else ""
    return f"{needed.name}{extras}{needed.specifier}"


def download(target: Target, wanted: Sequence[str], folder: Path) -> None:
    """Have pip put the target's wheels of `wanted`, and of what they need in turn, into `folder`."""
    # Beside packages of Debian pip must not follow requirements: it would ask for wheels of those packages too.
    options = ["--no-deps"] if target.from_debian else []
    run_python("-m", "pip", "download", *pip_options(target), *options, "--dest", str(folder), *wanted)


def pip_options(target: Target) -> list[str]:
    """Options with which pip chooses wheels for the target instead of for this machine."""
    platforms = [option for platform in target.platforms for option in ("--platform", platform)]
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}", *platforms]


def run_python(*arguments: str) -> None:
    """Run this Python with arguments.

    Raises:
        WheelhouseError: it failed; the message ends in what it printed.
    """
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise WheelhouseError(f"this failed: python {' '.join(arguments)}\n{said}")


if __name__ == "__main__":
    sys.exit(main())
