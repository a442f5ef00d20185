"""Gathers the wheels that a board without network needs: this project's, and those of everything that it imports there.

    python tools/release/wheelhouse.py pi64-bookworm        (or: make wheelhouse BOARD=pi64-bookworm)

fills wheelhouse/pi64-bookworm/ and prints the lines to type on the board. It needs `build` and `packaging` (extra `dev`).
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.boards.wheels import Target, WheelsMissing, build_wheel, download, requirements

TARGETS = {
    "pi64-bookworm": Target("64-bit Raspberry Pi OS Bookworm", "3.11", "aarch64", 36, "litert"),
    "pi64-trixie": Target("64-bit Raspberry Pi OS Trixie", "3.13", "aarch64", 41, "litert"),
    "pi32-bookworm": Target("32-bit Raspberry Pi OS Bookworm", "3.11", "armv7l", 36, "tflite", ("numpy", "pillow")),
}
NO_RUNTIME = "32-bit Trixie (Python 3.13) and ARMv6 boards (Pi 1, Zero, Zero W): no interpreter has a wheel for them."


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill one board's folder. Exit code 0 when it holds every wheel, 1 when a step failed, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    target = TARGETS[options.board]
    folder: Path = options.folder / options.board
    try:
        gather(target, folder)
    except WheelsMissing as error:
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
        WheelsMissing: the project did not build, or a wheel is not to be had.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workshop:
        made = Path(workshop) / "wheels"
        wheel = build_wheel(made)
        download(target, ["pip", *requirements(wheel, target)], made)  # pip for digits boards setup --wheels
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


if __name__ == "__main__":
    sys.exit(main())
