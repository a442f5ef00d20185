"""Commands that fix an interpreter, a library or a model on a device. Each of them can work on that device."""

import shlex
from collections.abc import Mapping

from edge_runtime.common.packages import apt_install
from edge_runtime.device.system import System
from edge_runtime.inference.interpreter import BACKENDS

EXTRAS = {"litert": "'.[litert]'", "tflite": "'.[tflite]'"}
"""Requirements that install each interpreter, in the folder of this repository."""
_DEBIAN = {"numpy": "python3-numpy", "Pillow": "python3-pil"}
_GOVERNOR = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


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
    commands = [f"{system.pip_install} '{package}>={version}'" for package, version in minimum.items() if package in available]
    return commands[0] if commands else f"where the model is made: digits convert model.keras --runs-on {_target(system)}"


def for_interpreter(system: System, backend: str, minimum: Mapping[str, str], message: str) -> str:
    """The command that replaces a broken interpreter: install the library that it lacks, another one that runs the model, or it again.

    `message` is its error.
    """
    others = [name for name in wheels(system) if name != backend and (not minimum or BACKENDS[name].package in minimum)]
    again = EXTRAS[others[0]] if others else f"--force-reinstall {BACKENDS[backend].package}"
    return _for_shared_library(system, message) or f"{system.pip_install} {again}"


def for_library(system: System, package: str, message: str) -> str:
    """The command that repairs a library which cannot be imported; `message` is its error."""
    if missing := _for_shared_library(system, message):
        return missing
    if package == "picamera2":
        return older_numpy(system) if _numpy_is_too_new(system) else "sudo apt install --reinstall python3-picamera2"
    if system.debian and system.bits == 32 and package in _DEBIAN:  # PyPI has no 32-bit wheels of numpy and Pillow
        return f"sudo apt install --reinstall {_DEBIAN[package]} && {_venv_with_debian(system)}"
    old = package == "numpy" and "tflite-runtime" in system.packages
    return f"{system.pip_install} --force-reinstall " + ("'numpy<2'" if old else package)


def for_picamera2(system: System) -> str:
    """The command that makes picamera2 visible to this Python. It keeps a virtual environment and what is installed in it."""
    install = "" if system.debian_picamera2 else "sudo apt install python3-picamera2 && "
    return f"{install}{_venv_with_debian(system)}" + (f" && {older_numpy(system)}" if _numpy_is_too_new(system) else "")


def older_numpy(system: System) -> str:
    """The command that installs numpy 1."""
    return f"{system.pip_install} 'numpy<2'"


def for_governor() -> str:
    """The command that sets the performance governor now and at each start, after Raspberry Pi OS has set its own."""
    unit = "\\n".join(
        (
            "[Unit]",
            "After=raspi-config.service",
            "[Service]",
            "Type=oneshot",
            f'ExecStart=/bin/sh -c "echo performance | tee {_GOVERNOR}"',
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        )
    )
    service = "performance-governor"
    return f"printf '{unit}' | sudo tee /etc/systemd/system/{service}.service && sudo systemctl enable --now {service}"


def _for_shared_library(system: System, message: str) -> str:
    """The command that installs the system library that an error names; or nothing."""
    return apt_install(message) if system.debian else ""


def _venv_with_debian(system: System) -> str:
    return f"python3 -m venv --system-site-packages {shlex.quote(system.venv) if system.venv else '~/digits'}"


def _numpy_is_too_new(system: System) -> bool:
    """Whether Debian's packages were built for an older numpy: those of Bookworm (Python 3.11) for numpy 1."""
    return system.python[:2] == (3, 11) and not system.packages.get("numpy", "1").startswith("1.")


def _target(system: System) -> str:
    """The name of this device for `digits convert --runs-on`."""
    if system.bits == 32:
        return "armv7"
    return "'ai-edge-litert>=1.4'" if system.machine == "x86_64" else "aarch64"
