"""An emulated board with the project, one interpreter, and a folder that host and board share."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.boards import wheels
from tools.release import wheelhouse

from .boards import CHECKOUT, HERE, Board, Machine, boot, cached_folder

COMPARED = 500
"""Test images whose outputs must be those of this host."""
PICTURES = 5
"""Test images that are on a board as files too."""
PHOTOS = 4
"""Photos of validation digits that are on a board."""
LINE = "line.jpg"
"""A photo of several digits."""
DIGITS = ("python3", "-m", "edge_runtime.cli")
SHARED = "/mnt/shared"
SHIPPED = "/opt/project/edge_runtime/models"
_ON_DEVICE = "/opt/on_device.py"
_VERIFY_ALL = "/opt/verify_all.py"

PACKAGES = {
    "litert": [f"{name}=={version(name)}" for name in ("ai-edge-litert", "numpy", "click", "pillow")],
    "tflite": ["tflite-runtime==2.14.0", "numpy==1.26.4", "click", "pillow"],
}
"""What stands beside the project on a 64-bit board. LiteRT in this host's version, since outputs are compared with this host's."""
CONSTRAINTS = CHECKOUT / "constraints.txt"
"""Versions of what those need in turn, beside LiteRT."""
_OPTIONS_64BIT = wheels.pip_options(wheelhouse.TARGETS["pi64-bookworm"])
PACKAGES_32BIT = ["tflite-runtime==2.14.0", "click"]
"""On a 32-bit one, where numpy and Pillow are Debian's."""


@dataclass(frozen=True)
class Device:
    """An emulated board with the project, one interpreter and the shared folder."""

    machine: Machine
    runtime: str
    shared: Path
    """The host's side of SHARED."""

    def json(self, *arguments: str) -> dict[str, Any]:
        """The one JSON object that a `digits` command prints."""
        answer: dict[str, Any] = json.loads(self.machine.run([*DIGITS, *arguments]))
        return answer

    def verified(self, folder: str = SHARED) -> dict[str, bool | str]:
        """What became of the golden images of each model file in a folder, or what the interpreter said; in one process, which is quick."""
        found: dict[str, bool | str] = json.loads(self.machine.run(["python3", _VERIFY_ALL, folder, self.runtime]))
        return found

    def outputs(self, model: Path) -> tuple[dict[str, str], Mapping[str, np.ndarray]]:
        """What on_device.py prints for a model of the shared folder, and the arrays that it saves."""
        saved = f"outputs-{self.machine.board.name}-{self.runtime}.npz"
        arguments = [f"{SHARED}/{model.name}", f"{SHARED}/images.npy", f"{SHARED}/{saved}", self.runtime]
        printed: dict[str, str] = json.loads(self.machine.run(["python3", _ON_DEVICE, *arguments]))
        return printed, np.load(self.shared / saved)


def make_device(board: Board, runtime: str, project: Path, shared: Path) -> Device:
    """The board, booted, with `project` (a folder for PYTHONPATH), the interpreter and the shared folder."""
    scripts = {_ON_DEVICE: HERE / "on_device.py", _VERIFY_ALL: HERE / "verify_all.py"}
    site = site_folder_32bit() if board.architecture == "armhf" else site_folder(runtime)
    mounts = {"/opt/project": project, "/opt/site": site, SHARED: shared} | scripts
    return Device(boot(board, mounts, {"PYTHONPATH": "/opt/project:/opt/site"}), runtime, shared)


def site_folder(runtime: str) -> Path:
    """A folder for PYTHONPATH with the aarch64 wheels of one interpreter and of what the project needs beside it."""
    return cached_folder(f"site-{runtime}", site_recipe(runtime), lambda folder: install_site(runtime, folder))


def site_recipe(runtime: str, more: Sequence[str] = ()) -> dict[str, object]:
    """All that `install_site` depends on."""
    recipe: dict[str, object] = {"packages": [*PACKAGES[runtime], *more], "options": _OPTIONS_64BIT}
    return recipe | ({"constraints": CONSTRAINTS.read_text()} if runtime == "litert" else {})


def install_site(runtime: str, folder: Path, more: Sequence[str] = ()) -> None:
    """Fill a folder with those wheels, and with those of `more`."""
    pinned = ["--constraint", str(CONSTRAINTS)] if runtime == "litert" else []
    _install(folder, [*_OPTIONS_64BIT, *pinned], [*PACKAGES[runtime], *more])


def site_folder_32bit() -> Path:
    """The same of armv7l wheels, for a board that has Debian's numpy and Pillow."""
    options = [*wheels.pip_options(wheelhouse.TARGETS["pi32-bookworm"]), "--no-deps"]
    recipe = {"packages": PACKAGES_32BIT, "options": options}
    return cached_folder("site-tflite-armhf", recipe, lambda folder: _install(folder, options, PACKAGES_32BIT))


def _install(folder: Path, options: list[str], packages: list[str]) -> None:
    wheels.run_python("-m", "pip", "install", "--target", str(folder), *options, *packages)
