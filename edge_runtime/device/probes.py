"""Each interpreter that is installed, really imported and asked about the golden images: in a child process, since some crash."""

import json
import signal
import subprocess
import sys
from dataclasses import asdict

from edge_runtime.chatter import spool, verbose
from edge_runtime.child import child_environment, last_words, module_command
from edge_runtime.errors import DigitsError
from edge_runtime.frozen import record
from edge_runtime.interpreter import BACKENDS, Backend
from edge_runtime.model_file import read_model_file

SECONDS = 60
WORKS, MISSING, REFUSES, CRASHED, WRONG = "works", "missing", "refuses", "crashed", "wrong"


@record
class Probe:
    """What became of one interpreter.

    outcome: `WORKS`; `MISSING`; `REFUSES`: it raised; `CRASHED`: it ended the process, or hung; `WRONG`: golden images came out
    differently. text: what it said, or of what it died.
    """

    backend: str
    package: str
    version: str
    outcome: str
    text: str


def probe(backend: Backend, model: str | None = None, seconds: float = SECONDS) -> Probe:
    """Try one interpreter with a model file, the default one if None, in a child process that may take so many seconds."""
    command = module_command(__name__, backend.name, *([model] if model else []))
    with spool() as said:
        try:
            child = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=None if verbose() else said,
                timeout=seconds,
                env=child_environment(talking=True),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Probe(backend.name, backend.package, "", CRASHED, f"gave no answer within {seconds:g} s{last_words(said)}")
        try:
            return Probe(**json.loads(child.stdout))
        except (ValueError, TypeError):
            return Probe(backend.name, backend.package, "", CRASHED, _how_it_ended(child.returncode) + last_words(said))


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"was ended by {name}" + "; this processor lacks an instruction that it was built with" * (name == "SIGILL")


def probe_all(model: str | None = None) -> list[Probe]:
    """Try all interpreters that the project knows."""
    return [probe(backend, model) for backend in BACKENDS.values()]


def _try(backend: Backend, model: str | None) -> Probe:
    import importlib.util

    from edge_runtime.interpreter import backend_version

    if not importlib.util.find_spec(backend.module.partition(".")[0]):
        return Probe(backend.name, backend.package, "", MISSING, "is not installed")
    found = backend_version(backend)
    try:
        outcome, text = _golden(backend, model)
    except DigitsError as error:
        outcome, text = REFUSES, str(error)
    return Probe(backend.name, backend.package, found, outcome, text)


def _golden(backend: Backend, model: str | None) -> tuple[str, str]:
    from pathlib import Path

    from edge_runtime.classifier import Classifier
    from edge_runtime.verification import verify

    file = read_model_file(Path(model) if model else None)
    if file.manifest is None:
        Classifier(file, backend=backend.name)
        return WORKS, f"loads {file.name}, a plain .tflite without golden images"
    receipt = verify(Classifier(file, backend=backend.name))
    text = f"{receipt.labels_equal} of {receipt.images} golden images of {receipt.model} as recorded"
    return (WORKS if receipt.passed else WRONG), text


def _main(backend: str, model: str | None = None) -> None:
    import os

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever the interpreter prints is no answer
    json.dump(asdict(_try(BACKENDS[backend], model)), answers)


if __name__ == "__main__":
    _main(*sys.argv[1:])
