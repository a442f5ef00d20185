"""What mends an interpreter, a library or a model on a device: only commands that can work there."""

from collections.abc import Mapping

from edge_runtime.device.system import System
from edge_runtime.inference.interpreter import BACKENDS

LITERT = "pip install '.[litert]'"
TFLITE = "pip install '.[tflite]'"
INSTALL = {"litert": LITERT, "tflite": TFLITE}
# Debian's packages: of the libraries that wheels for the Raspberry Pi expect of the system, by how a library's name begins, and ours.
_DEBIAN = {
    "libopenblas": "libopenblas0",
    "libblas": "libblas3",
    "liblapack": "liblapack3",
    "libgfortran": "libgfortran5",
    "libopenjp2": "libopenjp2-7",
    "libjpeg": "libjpeg62-turbo",
    "libtiff": "libtiff6",
    "libxcb": "libxcb1",
    "libwebp": "libwebp7",
    "liblcms2": "liblcms2-2",
    "libfreetype": "libfreetype6",
    "numpy": "python3-numpy",
    "Pillow": "python3-pil",
}


def wheels(system: System) -> list[str]:
    """Which interpreters have a wheel for this Python on this device: of "litert" and "tflite", the better one first."""
    python = system.python[:2]
    found = []
    if system.bits == 64 and system.machine in ("x86_64", "aarch64", "arm64") and (3, 10) <= python <= (3, 14):
        found.append("litert")
    arm32 = system.bits == 32 and system.machine in ("armv7l", "armv8l", "aarch64")
    if python <= (3, 11) and (arm32 or (system.bits == 64 and system.machine in ("x86_64", "aarch64"))):
        found.append("tflite")
    return found if "musl" not in system.libc else []


def for_model(system: System, minimum: Mapping[str, str]) -> str:
    """What makes a model run that needs one of these packages, each of a version or newer: the first with a wheel, else another model."""
    there = [BACKENDS[name].package for name in wheels(system)]
    fitting = [f"pip install '{package}>={needed}'" for package, needed in minimum.items() if package in there]
    return fitting[0] if fitting else f"where the model is made: digits convert model.keras --runs-on {_target(system)}"


def for_interpreter(system: System, backend: str, minimum: Mapping[str, str]) -> str:
    """What replaces an interpreter that does not work: another one that has a wheel and runs the model, else the same again."""
    others = [name for name in wheels(system) if name != backend and (not minimum or BACKENDS[name].package in minimum)]
    return INSTALL[others[0]] if others else f"pip install --force-reinstall {BACKENDS[backend].package}"


def for_library(system: System, package: str, said: str) -> str:
    """What brings back a library that cannot be imported; `said` is why."""
    lacking = [debian for start, debian in _DEBIAN.items() if start.startswith("lib") and start in said]
    if system.debian and lacking:
        return f"sudo apt install {lacking[0]}"
    if system.debian and system.bits == 32:  # for which PyPI has no wheels of them
        return f"sudo apt install --reinstall {_DEBIAN[package]}, and make the venv with --system-site-packages"
    old = package == "numpy" and "tflite-runtime" in system.packages
    return "pip install --force-reinstall " + ("'numpy<2'" if old else package)


def _target(system: System) -> str:
    """What `digits convert --runs-on` calls this device."""
    if system.bits == 32:
        return "armv7"
    return "'ai-edge-litert>=1.4'" if system.machine == "x86_64" else "aarch64"
