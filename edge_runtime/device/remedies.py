"""Commands that fix an interpreter, a library or a model on a device. Each of them can work on that device."""

from collections.abc import Mapping

from edge_runtime.device.system import System
from edge_runtime.inference.interpreter import BACKENDS

LITERT = "pip install '.[litert]'"
TFLITE = "pip install '.[tflite]'"
INSTALL = {"litert": LITERT, "tflite": TFLITE}
# Debian's packages of system libraries that wheels for the Raspberry Pi need, by prefix of the library's name, and of numpy and Pillow.
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
    """The interpreters with a wheel for this device and Python: of "litert" and "tflite", the better one first."""
    python = system.python[:2]
    found = []
    if system.bits == 64 and system.machine in ("x86_64", "aarch64", "arm64") and (3, 10) <= python <= (3, 14):
        found.append("litert")
    arm32 = system.bits == 32 and system.machine in ("armv7l", "armv8l", "aarch64")
    if python <= (3, 11) and (arm32 or (system.bits == 64 and system.machine in ("x86_64", "aarch64"))):
        found.append("tflite")
    return found if "musl" not in system.libc else []


def for_model(system: System, minimum: Mapping[str, str]) -> str:
    """The command that makes a model run: install one of the packages that it needs (minimum versions), or convert it for this device."""
    available = [BACKENDS[name].package for name in wheels(system)]
    commands = [f"pip install '{package}>={version}'" for package, version in minimum.items() if package in available]
    return commands[0] if commands else f"where the model is made: digits convert model.keras --runs-on {_target(system)}"


def for_interpreter(system: System, backend: str, minimum: Mapping[str, str]) -> str:
    """The command that replaces a broken interpreter: install another one that runs the model, else reinstall it."""
    others = [name for name in wheels(system) if name != backend and (not minimum or BACKENDS[name].package in minimum)]
    return INSTALL[others[0]] if others else f"pip install --force-reinstall {BACKENDS[backend].package}"


def for_library(system: System, package: str, message: str) -> str:
    """The command that repairs a library which cannot be imported; `message` is its error."""
    lacking = [debian for prefix, debian in _DEBIAN.items() if prefix.startswith("lib") and prefix in message]
    if system.debian and lacking:
        return f"sudo apt install {lacking[0]}"
    if system.debian and system.bits == 32:  # PyPI has no 32-bit wheels of numpy and Pillow
        return f"sudo apt install --reinstall {_DEBIAN[package]}, and make the venv with --system-site-packages"
    old = package == "numpy" and "tflite-runtime" in system.packages
    return "pip install --force-reinstall " + ("'numpy<2'" if old else package)


def _target(system: System) -> str:
    """The name of this device for `digits convert --runs-on`."""
    if system.bits == 32:
        return "armv7"
    return "'ai-edge-litert>=1.4'" if system.machine == "x86_64" else "aarch64"
