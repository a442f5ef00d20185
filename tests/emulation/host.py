"""What the machine that emulates has to bring: Debian packages, QEMU behind the kernel's binfmt_misc, a Debian mirror, pip's index.

Nothing here names a server: the mirror is the one that apt uses, the package index the one that pip uses, both asked at run time.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGES = {"debootstrap": "debootstrap", "qemu-user-static": "qemu-aarch64-static"}
"""Debian package -> a command, or a file, that it brings."""

INSTALL_PACKAGES = Path(__file__).parents[2] / "tools" / "install_packages.sh"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
BINFMT_RULES = Path("/usr/lib/binfmt.d")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's bundle of certificates, which an emulated root has too; the host's lies over it when the host's pip was told of one."""


class EmulationError(RuntimeError):
    """The host cannot emulate, or a command in an emulated root failed."""


def output_of(command: Sequence[str | Path]) -> str:
    """Standard output of a command on the host.

    Raises:
        EmulationError: the command failed; the message ends in what it printed.
    """
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise EmulationError(f"exit {done.returncode} of: {' '.join(map(str, command))}\n{said}")
    return done.stdout


def ensure_host_packages(more: Mapping[str, str] | None = None) -> None:
    """Install the Debian packages that emulation needs, where they are missing, and let the kernel start ARM programs with QEMU.

    Args:
        more: further packages, as `PACKAGES`.

    Raises:
        EmulationError: they are missing and this is not root, or not a Debian with apt-get.
    """
    if os.geteuid() != 0:
        raise EmulationError("emulation mounts and changes root, so it needs root: run it with sudo")
    wanted = {**PACKAGES, **(more or {})}
    missing = [package for package, brings in wanted.items() if not (shutil.which(brings) or Path(brings).is_file())]
    if missing:
        if shutil.which("apt-get") is None:
            raise EmulationError(f"install {' and '.join(missing)} first; this system has no apt-get to do it")
        output_of(["sh", INSTALL_PACKAGES, *missing])
    for target in ("aarch64", "arm"):
        _register(f"qemu-{target}")


def _register(name: str) -> None:
    """Do what qemu-user-static does on a machine that boots with systemd: hand its binfmt rule to the kernel."""
    if not (BINFMT / "register").exists():
        output_of(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
    if (BINFMT / name).exists():
        return
    rule = BINFMT_RULES / f"{name}.conf"
    if not rule.exists():
        raise EmulationError(f"{rule} is missing: apt-get install --reinstall qemu-user-static")
    (BINFMT / "register").write_text(rule.read_text().strip(), encoding="ascii")


def debian_mirror() -> str:
    """Address of the Debian mirror that apt uses here, or DEBIAN_MIRROR of the environment, for hosts that are not Debian."""
    chosen = os.environ.get("DEBIAN_MIRROR") or _mirror_of_apt()
    if not chosen:
        output_of(["sh", INSTALL_PACKAGES])
        chosen = _mirror_of_apt()
    if not chosen:
        raise EmulationError("apt knows no Debian mirror here: set DEBIAN_MIRROR to the address of one")
    return chosen


def _mirror_of_apt() -> str:
    fields = ["Created-By: Packages", "Origin: Debian", "Label: Debian"]
    return next(iter(output_of(["apt-get", "indextargets", "--format", "$(REPO_URI)", *fields]).split()), "")


def pip_environment() -> dict[str, str]:
    """The host's pip settings that hold in an emulated root too: index, certificates, proxy, time-out. No paths of the host."""
    settings = _pip_settings()
    names = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout")
    found = {f"PIP_{name.upper().replace('-', '_')}": settings[name] for name in names if name in settings}
    environment = {key: value for key, value in found.items() if "file://" not in value}
    if "cert" in settings:
        environment["PIP_CERT"] = CERTIFICATES
    proxies = ("http_proxy", "https_proxy", "no_proxy")
    return environment | {name: value for name, value in os.environ.items() if name.lower() in proxies}


def network_mounts() -> dict[str, Path]:
    """Files of the host that a root needs to reach the package index: path in the root -> file of the host."""
    certificates = _pip_settings().get("cert")
    mounts = {"/etc/resolv.conf": Path("/etc/resolv.conf").resolve()}
    return mounts | ({CERTIFICATES: Path(certificates)} if certificates else {})


def _pip_settings() -> dict[str, str]:
    listed = output_of([sys.executable, "-m", "pip", "config", "list"])
    settings = re.findall(r"^[^.]*\.([\w-]+)='(.*)'$", listed, re.MULTILINE)
    return dict(reversed(settings))  # the environment is listed first and must win
