"""numpy, Pillow and each interpreter, really imported and put to work: in a child process, since some crash.

This module and what it loads need none of them, so that their absence can be told.
"""

import importlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from edge_runtime.common.child_process import child_environment, last_words, module_command
from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.stderr_filter import spool, verbose
from edge_runtime.errors import DigitsError, MissingPackage
from edge_runtime.inference.interpreter import BACKENDS, Backend

SECONDS = 60
WORKS, MISSING, BROKEN, REFUSES, CRASHED, WRONG = "works", "missing", "broken", "refuses", "crashed", "wrong"
LIBRARIES = {"numpy": "numpy", "Pillow": "PIL"}
"""What every answer needs besides an interpreter: packages, each with its module."""


@frozen_dataclass
class Probe:
    """What became of one interpreter or library.

    backend: an interpreter's name; of a library, its package. outcome: `WORKS`; `MISSING`; `BROKEN`: it cannot be imported; `REFUSES`: it
    does not take the model; `CRASHED`: it ended the process, or hung; `WRONG`: golden images came out differently. text: what it said, or
    of what it died.
    """

    backend: str
    package: str
    version: str
    outcome: str
    text: str


def probe(backend: Backend, model: str | None = None, seconds: float = SECONDS) -> Probe:
    """Try one interpreter with a model file, the default one if None, in a child process that may take so many seconds."""
    return _ask([backend.name, *([model] if model else [])], backend.name, backend.package, seconds)


def probe_library(package: str, seconds: float = SECONDS) -> Probe:
    """Try one of `LIBRARIES` in the same way."""
    return _ask([package], package, package, seconds)


def probe_all(model: str | None = None) -> list[Probe]:
    """Try all interpreters that the project knows."""
    return [probe(backend, model) for backend in BACKENDS.values()]


def probe_libraries() -> list[Probe]:
    """Try numpy and Pillow."""
    return [probe_library(package) for package in LIBRARIES]


def _ask(words: list[str], name: str, package: str, seconds: float) -> Probe:
    with spool() as said:
        try:
            child = subprocess.run(
                module_command(__name__, *words),
                stdout=subprocess.PIPE,
                stderr=None if verbose() else said,
                timeout=seconds,
                env=child_environment(talking=True),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Probe(name, package, "", CRASHED, f"gave no answer within {seconds:g} s{last_words(said)}")
        try:
            return Probe(**json.loads(child.stdout))
        except (ValueError, TypeError):
            return Probe(name, package, "", CRASHED, _how_it_ended(child.returncode) + last_words(said))


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was ended by {name}" + "; this processor lacks an instruction that it was built with" * (name == "SIGILL")


def _try(backend: Backend, model: str | None) -> Probe:
    from edge_runtime.inference.interpreter import backend_version

    if not importlib.util.find_spec(backend.module.partition(".")[0]):
        return Probe(backend.name, backend.package, "", MISSING, "is not installed")
    found = backend_version(backend)
    try:
        outcome, text = _golden(backend, model)
    except MissingPackage as error:
        outcome, text = BROKEN, str(error)
    except DigitsError as error:
        outcome, text = REFUSES, str(error)
    return Probe(backend.name, backend.package, found, outcome, text)


def _try_library(package: str) -> Probe:
    if not importlib.util.find_spec(LIBRARIES[package]):
        return Probe(package, package, "", MISSING, "is not installed")
    try:
        outcome, text = WORKS, _WORK[package]()
    except Exception as error:  # a library of the system that is missing, a file that is damaged: nearly anything
        outcome, text = BROKEN, f"cannot be imported ({_first_cause(error)})"
    return Probe(package, package, _version(package), outcome, text)


def _multiply() -> str:
    import numpy as np

    square = np.ones((8, 8), np.float32)
    return f"multiplies matrices ({(square @ square).sum():.0f})"


def _save_and_open() -> str:
    import io

    pillow = importlib.import_module("PIL.Image")  # not by `images`, which needs numpy
    for kind in ("PNG", "JPEG"):
        stream = io.BytesIO()
        pillow.new("L", (8, 8)).save(stream, kind)
        pillow.open(stream).load()
    return "reads PNG and JPEG"


_WORK: dict[str, Callable[[], str]] = {"numpy": _multiply, "Pillow": _save_and_open}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _first_cause(error: BaseException) -> str:
    """What an error began with, in one line: numpy's own words about a missing library are a page."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split()) or type(error).__name__


def _golden(backend: Backend, model: str | None) -> tuple[str, str]:
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

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever the interpreter prints is no answer
    json.dump(asdict(_try_library(name) if name in LIBRARIES else _try(BACKENDS[name], model)), answers)


if __name__ == "__main__":
    _main(*sys.argv[1:])
