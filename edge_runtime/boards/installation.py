"""`digits` on a board: what fits there, installing it, removing it, and what is deployed."""

import getpass
import hashlib
import platform
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_runtime.boards.calls import Reply, ask, calling, send_files
from edge_runtime.boards.hosts import Board
from edge_runtime.boards.on_board.files import file_hash
from edge_runtime.boards.on_board.models import NAMESPACE, OWNER
from edge_runtime.boards.ssh import CONNECT_SECONDS, Connection
from edge_runtime.boards.wheels import Target
from edge_runtime.errors import BadArgument, BoardError

ASK_SECONDS = 30.0
_REMOVE_SECONDS = 300.0  # thousands of small files on a slow card
_MIN_GLIBC = 28  # of numpy's and LiteRT's wheels
_PYTHONS_64 = ("3.11", "3.12", "3.13")
_MACHINES_64 = ("aarch64", "x86_64")


def this_laptop() -> str:
    """Who works on a board, as others are told."""
    return f"{getpass.getuser()}@{platform.node()}"


def target_of(host: str, facts: Reply) -> Target:
    """The kind of board for the facts of its probe.

    Raises:
        BoardError: no interpreter has a wheel for it, or packages of its system are missing.
    """
    machine, python, bits = facts["machine"], facts["python"], facts["bits"]
    described = (
        f"{bits}-bit {machine}, Python {python}, {facts['libc'] or 'a C library other than glibc'} {facts['libc_version']}".rstrip()
    )
    if facts["libc"] != "glibc":
        raise BoardError(
            f"{host}: {described}: no interpreter has a wheel for it; use a system with glibc, such as Debian", "architecture"
        )
    glibc = int(facts["libc_version"].split(".")[1])
    if bits == 64 and machine in _MACHINES_64 and python in _PYTHONS_64 and glibc >= _MIN_GLIBC:
        return Target(described, python, machine, glibc, "litert")
    if bits == 32 and machine in ("armv7l", "armv8l", "aarch64") and python == "3.11":
        if missing := {"numpy", "PIL"} - set(facts["system"]):
            names = " ".join({"numpy": "python3-numpy", "PIL": "python3-pil"}[name] for name in sorted(missing))
            raise BoardError(
                f"{host}: {described}: PyPI has no numpy and Pillow for it; there: sudo apt install {names}", "architecture"
            )
        return Target(described, python, "armv7l", glibc, "tflite", ("numpy", "pillow"))
    advice = "64-bit systems with Python 3.11 to 3.13 have LiteRT, 32-bit ones with Python 3.11 tflite-runtime"
    raise BoardError(f"{host}: {described}: no interpreter has a wheel for it; {advice}", "architecture")


def owner_line(key: Path | None) -> str:
    """The line of allowed_signers for a public key file; empty for None.

    Raises:
        BadArgument: it is no public key.
    """
    if key is None:
        return ""
    try:
        words = key.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"{key}: the public key cannot be read ({error})") from error
    if len(words) < 2 or not words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        raise BadArgument(f"{key} is not a public key; give the .pub file that ssh-keygen made")
    return f'{OWNER} namespaces="{NAMESPACE}" {words[0]} {words[1]}\n'


def environment_name(wheels: Sequence[Path], requirement: str, python: str) -> str:
    """A name that follows from what is installed: equal contents give equal names, whenever the wheels were built."""
    digest = hashlib.sha256(f"{requirement}\n{python}\n".encode())
    for wheel in sorted(wheels):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".dist-info/RECORD"):
                    digest.update(f"{wheel.name}\n".encode() + archive.read(name))
    return digest.hexdigest()[:16]


def install(
    board: Board,
    wheels_for: Callable[[Target], tuple[Path, str]],
    owner: str,
    timeout: float,
    progress: Callable[[str], None],
) -> str:
    """Install on a board what is not there yet, and switch to it once it is verified. Returns the line of `digits verify`.

    Args:
        board: the board.
        wheels_for: returns, for a kind of board, a folder of wheels, and what pip has to install.
        owner: line of allowed_signers, or empty.
        timeout: seconds for all of it.
        progress: called with what is being done.

    Raises:
        BoardError: the board cannot be reached, nothing fits, or a step failed there; what it had stays.
    """
    with Connection(board.host) as connection:
        progress("looking at the board")
        facts = ask(connection, "probe", {}, ASK_SECONDS)
        target = target_of(board.host, facts)
        progress(f"gathering wheels for {target.system}")
        folder, requirement = wheels_for(target)
        wheels = sorted(folder.glob("*.whl"))
        if not any(wheel.name.startswith("pip-") for wheel in wheels):
            raise BoardError(f"{board.host}: {folder} has no wheel of pip, which installs the others there; add it", "wheels")
        request = {
            "who": f"a setup by {this_laptop()}",
            "name": environment_name(wheels, requirement, target.python),
            "wheels": [{"name": path.name, "size": path.stat().st_size, "sha256": file_hash(path)} for path in wheels],
            "requirement": requirement,
            "system": bool(target.from_debian),
            "owner_key": owner,
        }
        progress("up to date" if facts["environment"] == request["name"] else "installing")
        with calling(connection, "install", request, timeout) as call:
            return str(send_files(call, wheels, progress)[-1]["verified"])


def remove(board: Board) -> bool:
    """Remove from a board everything that setup and deploy put there; whether there was something.

    Raises:
        BoardError: the board cannot be reached, or a setup, a deployment or a measurement is running there.
    """
    found = ask(Connection(board.host), "remove", {"who": f"a removal by {this_laptop()}"}, _REMOVE_SECONDS)
    return bool(found["removed"])


def status(board: Board) -> dict[str, Any]:
    """The version of digits on a board, and its models.

    Raises:
        BoardError: the board cannot be reached.
    """
    found = ask(Connection(board.host), "status", {"digits": board.digits}, ASK_SECONDS + CONNECT_SECONDS)
    return {**found, "problem": found["problem"].replace("HOST", board.host)}
