"""What a board is, and the environment of `digits` on it: installed beside the old one, then switched to."""

import json
import os
import platform
import shutil
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge_runtime.boards.on_board.files import (
    Refused,
    digits_home,
    locked,
    make_home,
    receive,
    reply,
    require_room,
    switch_link,
    write_whole,
)
from edge_runtime.boards.on_board.processes import run_quietly, without

UNPACKED = 5
"""How many times as large as its wheels an environment is, at most."""
_FINISHED = ".finished"


def probe(_request: dict[str, Any]) -> None:
    """Reply with the facts that decide which wheels fit here."""
    library, _, version = (_confstr() or " ").partition(" ")
    reply(
        machine=platform.machine(),
        bits=8 * struct.calcsize("P"),
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        libc=library,
        libc_version=version,
        environment=_current(),
        system=_system_packages(),
    )


def _confstr() -> str:
    """Name and version of the C library, such as "glibc 2.36"; empty where it is not glibc."""
    with suppress(ValueError, OSError):
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    return ""


def _system_packages() -> list[str]:
    """Which of the packages that PyPI has no 32-bit wheels of are there as the system's own."""
    code = "import importlib.util as u; print(*(n for n in ('numpy', 'PIL') if u.find_spec(n)))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.split()


def _current() -> str:
    """The name of the finished environment that is in use; empty if there is none."""
    current = digits_home() / "current"
    return current.resolve().name if (current / _FINISHED).is_file() else ""


def install(request: dict[str, Any]) -> None:
    """Receive wheels and make the environment that `request` names of them. Interrupted, the next call goes on.

    Request: name; wheels, each name, size, sha256; requirement; system: whether the environment sees the system's packages; owner_key: a
    line for allowed_signers, or empty.

    Raises:
        Refused: another setup is running, the disk is full, a step failed, or the board has another owner's key.
    """
    with locked("change", request["who"]):
        home = make_home()
        _set_owner(home, request["owner_key"])
        if _current() != request["name"]:
            _make(home, request)
        _prune(home)
        reply(installed=request["name"], verified=_verify(home / "current"))


def _make(home: Path, request: dict[str, Any]) -> None:
    folder, wheels = home / "environments" / request["name"], home / "wheels"
    if not (folder / _FINISHED).is_file():
        wheels.mkdir(exist_ok=True)
        _forget_others(wheels, {wheel["name"] for wheel in request["wheels"]})
        require_room(home, UNPACKED * sum(wheel["size"] for wheel in request["wheels"]))
        for wheel in request["wheels"]:
            reply(stage=f"copying {wheel['name']}")
            receive(wheels / wheel["name"], wheel["size"], wheel["sha256"])
        reply(stage="installing")
        _fill(folder, wheels, request)
        reply(stage="verifying")
        _verify(folder)
        write_whole(folder / _FINISHED, b"")
    write_whole(home / "former-environment", _current().encode())
    switch_link(home / "current", f"environments/{folder.name}")
    without(wheels)


def _forget_others(wheels: Path, wanted: set[str]) -> None:
    """Remove what an interrupted setup with other wheels left: pip must not choose one of those."""
    for path in wheels.iterdir():
        if path.name.removesuffix(".part") not in wanted:
            path.unlink()


def _fill(folder: Path, wheels: Path, request: dict[str, Any]) -> None:
    """A virtual environment without pip: pip is run from its wheel, so that the board needs no ensurepip."""
    without(folder)
    folder.parent.mkdir(exist_ok=True)
    system = ["--system-site-packages"] if request["system"] else []
    _step([sys.executable, "-m", "venv", "--without-pip", *system, str(folder)])
    (pip,) = wheels.glob("pip-*.whl")
    options = ["--no-index", "--no-cache-dir", "--disable-pip-version-check", "--find-links", str(wheels)]
    python = str(folder / "bin" / "python")
    _step([python, str(pip / "pip"), "install", *options, request["requirement"]])


def _step(command: list[str]) -> None:
    code, out, error = run_quietly(command)
    if code:
        detail = error or out.strip()[-200:]
        full = "No space left" in detail
        raise Refused(
            "full" if full else "install", f"the disk is full: {detail}" if full else f"the installation failed: {detail}"
        )


def _verify(environment: Path) -> str:
    """Run `digits verify` with the shipped model; return its line.

    Raises:
        Refused: it failed.
    """
    code, out, error = run_quietly([str(environment / "bin" / "digits"), "verify"])
    if code:
        raise Refused("proof", f"digits verify failed there: {error}")
    return out.strip()


def _prune(home: Path) -> None:
    """Remove all environments but the one in use and the one before, in which a server may still be running."""
    kept = {_current(), (home / "former-environment").read_text()} if (home / "former-environment").exists() else {_current()}
    for folder in (home / "environments").glob("*"):
        if folder.name not in kept:
            without(folder)


def _set_owner(home: Path, line: str) -> None:
    keys = home / "allowed_signers"
    if not line or (keys.exists() and keys.read_text() == line):
        return
    if keys.exists():
        raise Refused("owner", f"the board has another owner's key; if it is yours, remove {keys} there by hand")
    if not shutil.which("ssh-keygen"):
        raise Refused("owner", "the board has no ssh-keygen to check signatures with; there: sudo apt install openssh-client")
    write_whole(keys, line.encode())


def remove(request: dict[str, Any]) -> None:
    """Remove everything of ours, also folders above it that were created for it.

    Raises:
        Refused: a setup, a deployment or a measurement is running.
    """
    home = digits_home()
    if not home.is_dir():
        reply(removed=False)
        return
    with locked("change", request["who"]), locked("measuring", request["who"]):
        made = json.loads((home / "made").read_text()) if (home / "made").exists() else []
        without(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-digits")
        shutil.rmtree(home)
    for parent in made:
        with suppress(OSError):  # others have put something there
            Path(parent).rmdir()
    reply(removed=True)
