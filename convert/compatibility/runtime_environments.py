"""Run a model file in a given release of a runtime, in a virtual environment that is kept in the user's cache."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import edge_runtime
from convert.compatibility.operator_support import Release
from edge_runtime.common.json_codec import from_json
from edge_runtime.device.receipts import Receipt
from edge_runtime.errors import DigitsError
from edge_runtime.inference.interpreter import BACKENDS
from edge_runtime.model.manifest import Tolerance

PYTHON = "3.11"  # all releases have wheels for it; tflite-runtime has none for newer ones
NEEDS = {"tflite-runtime": ("numpy<2",)}
"""Packages that a runtime's environment needs besides the runtime."""
READY = "ready"
"""A file that marks a complete environment."""
_SECONDS = 120

# edge_runtime is imported by its path: with its parent folder on sys.path, packages of this environment would shadow the other's.
_VERIFY = """
import importlib.util, pathlib, sys
folder, path, backend = sys.argv[1:]
spec = importlib.util.spec_from_file_location("edge_runtime", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["edge_runtime"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["edge_runtime"])
from edge_runtime.inference.classifier import Classifier
from edge_runtime.errors import DigitsError, MissingPackage
from edge_runtime.common.json_codec import to_json
from edge_runtime.device.verification import verify
try:
    print(to_json(verify(Classifier.load(pathlib.Path(path), 1, backend))))
except DigitsError as error:
    print(" ".join(str(error).split()), file=sys.stderr)
    sys.exit(75 if isinstance(error, MissingPackage) else 1)
"""
_NO_RUNTIME = 75  # exit code: the runtime does not work here, whatever the file


class EnvironmentFailed(DigitsError):
    """A release of a runtime cannot be installed here."""


@dataclass(frozen=True)
class RuntimeCheck:
    """Outcome of a file's golden images in a release of a runtime.

    passed: whether the outputs are within the manifest's tolerance; None if the file could not be run. message: the outcome, or why not.
    """

    release: str
    passed: bool | None
    message: str


def cache_folder() -> Path:
    """The folder of environments with runtimes."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-digits" / "runtimes"


def is_installed(release: Release) -> bool:
    """Whether this Python has exactly that release installed."""
    try:
        return version(release.package) == release.version
    except PackageNotFoundError:
        return False


def environment(release: Release, folder: Path | None = None) -> Path:
    """Path of the Python in an environment with only a release of a runtime and its requirements; created if missing.

    Args:
        release: the release.
        folder: of all environments; `cache_folder()` if None.

    Raises:
        EnvironmentFailed: pip cannot install it: no network, or no wheel for this machine and Python.
    """
    folder = folder or cache_folder()
    place = folder / f"{release.package}-{release.version}"
    python = place / "bin" / "python"
    with environment_lock(folder, place.name):
        if not ((place / READY).exists() and python.exists()):  # a link to a Python that may have been removed
            _install(release, place)
    return python


def check_file(content: bytes, release: Release) -> RuntimeCheck:
    """Verify a self-describing file in a release of a runtime: in this Python if installed here, else in an environment."""
    try:
        python = Path(sys.executable) if is_installed(release) else environment(release)
    except EnvironmentFailed as error:
        return RuntimeCheck(str(release), None, str(error))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        return _verified(path, release, python)


def _verified(path: Path, release: Release, python: Path) -> RuntimeCheck:
    backend = next(backend.name for backend in BACKENDS.values() if backend.package == release.package)
    package = str(Path(edge_runtime.__file__).parent)
    command = [str(python), "-I", "-c", _VERIFY, package, str(path), backend]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return RuntimeCheck(str(release), False, f"timed out after {_SECONDS} s")
    if done.returncode < 0:
        return RuntimeCheck(str(release), False, f"the interpreter was killed by {signal.Signals(-done.returncode).name}")
    if done.returncode:
        passed = None if done.returncode == _NO_RUNTIME else False
        return RuntimeCheck(str(release), passed, _last_line(done.stderr).replace(f"{path}: ", ""))
    receipt = from_json(Receipt, done.stdout)
    message = golden_message(receipt.labels_equal, receipt.images, receipt.largest_difference, receipt.tolerance)
    return RuntimeCheck(str(release), receipt.passed, message)


def golden_message(equal: int, images: int, difference: float | None, tolerance: Tolerance) -> str:
    """What a check says of golden images. difference: the largest; None for one that is not a number."""
    largest = "not a number of" if difference is None else f"{difference:g}"
    return f"{equal} of {images} labels equal, largest difference {largest} {tolerance.unit} (allowed: {tolerance.amount:g})"


def _install(release: Release, place: Path) -> None:
    wanted = [f"{release.package}=={release.version}", *NEEDS.get(release.package, ())]
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "15"]
    try:
        _run(_python(), "-m", "venv", "--clear", str(place))
        _run(str(place / "bin" / "python"), *pip, "--only-binary=:all:", *wanted)
        (place / READY).touch()
    except OSError as error:
        raise EnvironmentFailed(f"{place}: cannot create an environment ({error.strerror or error})") from error
    finally:
        if not (place / READY).exists():
            shutil.rmtree(place, ignore_errors=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise EnvironmentFailed(
            f"cannot be installed without a network, or on this system ({_last_line(done.stderr or done.stdout)})"
        )


def _python() -> str:
    """A Python for which all releases have wheels, or this one."""
    if "{}.{}".format(*sys.version_info) == PYTHON:
        return sys.executable
    python = shutil.which(f"python{PYTHON}")
    works = python and subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0
    return python if python and works else sys.executable


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:300]


@contextmanager
def environment_lock(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock of an environment, so that one process at a time creates it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f".{name}.lock").open("w")
    except OSError as error:
        raise EnvironmentFailed(f"{folder}: cannot create environments ({error.strerror or error})") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
