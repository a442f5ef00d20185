"""Import and run numpy, Pillow, each interpreter and what reads cameras in a child process, since some crash.

This module imports none of them, so that it can report a missing one.
"""

import importlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from edge_runtime.common.child_process import child_environment, last_line, module_command
from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.packages import first_cause
from edge_runtime.common.stderr_filter import memory_file, verbose
from edge_runtime.errors import DigitsError, MissingPackage
from edge_runtime.inference.interpreter import BACKENDS, Backend

SECONDS = 60
WORKS, MISSING, BROKEN, REFUSES, CRASHED, WRONG = "works", "missing", "broken", "refuses", "crashed", "wrong"
LIBRARIES = {"numpy": "numpy", "Pillow": "PIL"}
"""Packages needed besides an interpreter, each with its module."""
CAMERA_LIBRARIES = {"picamera2": "picamera2", "opencv-python-headless": "cv2"}
"""Packages that read cameras, each with its module. None is needed for files."""
_MODULES = {**LIBRARIES, **CAMERA_LIBRARIES}


@frozen_dataclass
class Probe:
    """The outcome of running one interpreter or library.

    backend: an interpreter's name, or a library's package. outcome: `WORKS`; `MISSING`; `BROKEN`: it cannot be imported; `REFUSES`: it
    cannot run the model; `CRASHED`: it ended the process, or hung; `WRONG`: outputs for golden images differ. text: details or the error.
    """

    backend: str
    package: str
    version: str
    outcome: str
    text: str


def probe(backend: Backend, model: str | None = None, seconds: float = SECONDS) -> Probe:
    """Run one interpreter with a model file, the default one if None, in a child process for at most so many seconds."""
    return _run_child([backend.name, *([model] if model else [])], backend.name, backend.package, seconds)


def probe_library(package: str, seconds: float = SECONDS) -> Probe:
    """Run one of `LIBRARIES` or `CAMERA_LIBRARIES` in the same way."""
    return _run_child([package], package, package, seconds)


def probe_all(model: str | None = None) -> list[Probe]:
    """Run each of the known interpreters."""
    return [probe(backend, model) for backend in BACKENDS.values()]


def probe_libraries() -> list[Probe]:
    """Run numpy and Pillow, and those of `CAMERA_LIBRARIES` that are installed."""
    installed = [package for package, module in CAMERA_LIBRARIES.items() if importlib.util.find_spec(module)]
    return [probe_library(package) for package in (*LIBRARIES, *installed)]


def _run_child(arguments: list[str], name: str, package: str, seconds: float) -> Probe:
    with memory_file() as stderr:
        try:
            child = subprocess.run(
                module_command(__name__, *arguments),
                stdout=subprocess.PIPE,
                stderr=None if verbose() else stderr,
                timeout=seconds,
                env=child_environment(verbose=True),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Probe(name, package, "", CRASHED, f"did not finish within {seconds:g} s{last_line(stderr)}")
        try:
            return Probe(**json.loads(child.stdout))
        except (ValueError, TypeError):
            return Probe(name, package, "", CRASHED, _exit_text(child.returncode) + last_line(stderr))


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    name = signal.Signals(-code).name
    return f"was ended by {name}" + "; it was built for instructions that this processor lacks" * (name == "SIGILL")


def _try_backend(backend: Backend, model: str | None) -> Probe:
    from edge_runtime.inference.interpreter import backend_version

    if not importlib.util.find_spec(backend.module.partition(".")[0]):
        return Probe(backend.name, backend.package, "", MISSING, "is not installed")
    installed = backend_version(backend)
    try:
        outcome, text = _run_golden_images(backend, model)
    except MissingPackage as error:
        outcome, text = BROKEN, str(error)
    except DigitsError as error:
        outcome, text = REFUSES, str(error)
    return Probe(backend.name, backend.package, installed, outcome, text)


def _try_library(package: str) -> Probe:
    if not importlib.util.find_spec(_MODULES[package]):
        return Probe(package, package, "", MISSING, "is not installed")
    try:
        outcome, text = WORKS, _CHECKS[package]()
    except Exception as error:  # a missing system library, a damaged file: nearly anything
        outcome, text = BROKEN, f"cannot be imported ({first_cause(error)})"
    return Probe(package, package, _version(package), outcome, text)


def _multiply() -> str:
    import numpy as np

    square = np.ones((8, 8), np.float32)
    return f"multiplies matrices ({(square @ square).sum():.0f})"


def _save_and_open() -> str:
    import io

    pillow = importlib.import_module("PIL.Image")  # `image_files` would need numpy
    for kind in ("PNG", "JPEG"):
        stream = io.BytesIO()
        pillow.new("L", (8, 8)).save(stream, kind)
        pillow.open(stream).load()
    return "reads PNG and JPEG"


def _import(module: str) -> str:
    importlib.import_module(module)
    return "can be imported"


_CHECKS: dict[str, Callable[[], str]] = {
    "numpy": _multiply,
    "Pillow": _save_and_open,
    **{package: partial(_import, module) for package, module in CAMERA_LIBRARIES.items()},
}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _run_golden_images(backend: Backend, model: str | None) -> tuple[str, str]:
    from pathlib import Path

    from edge_runtime.device.verification import verify
    from edge_runtime.inference.classifier import Classifier
    from edge_runtime.model.model_file import read_model_file

    file = read_model_file(Path(model) if model else None)
    if file.manifest is None:
        Classifier(file, backend=backend.name)
        return WORKS, f"loads {file.name}, a plain .tflite without golden images"
    receipt = verify(Classifier(file, backend=backend.name))
    text = f"{receipt.labels_equal} of {receipt.images} golden images of {receipt.model} as recorded"
    return (WORKS if receipt.passed else WRONG), text


def _main(name: str, model: str | None = None) -> None:
    import os

    reply = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # discard what the interpreter prints on stdout
    json.dump(asdict(_try_library(name) if name in _MODULES else _try_backend(BACKENDS[name], model)), reply)


if __name__ == "__main__":
    _main(*sys.argv[1:])
