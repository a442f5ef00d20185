"""Boards on loopback: one real sshd, in which each host name is a board with a home folder of its own."""

import fcntl
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
# What a board does with a command: it has its own home, and what `before/NAME` says happens first.
_SHELL = """\
#!/bin/sh
root={root}
export HOME="$root/homes/$BOARD" PATH="$root/board-bin:/usr/bin:/bin"
unset XDG_CACHE_HOME XDG_DATA_HOME XDG_CONFIG_HOME
cd "$HOME" || exit 1
[ -e "$root/before/$BOARD" ] && . "$root/before/$BOARD"
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""
# SHLVL: bash is not to read the user's own .bashrc, as it does below sshd.
_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {root}/host_key
AuthorizedKeysFile {root}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 500
MaxSessions 100
AcceptEnv BOARD
SetEnv SHLVL=9
ForceCommand {root}/shell
"""
_CLIENT = """\
UserKnownHostsFile {root}/known_hosts
GlobalKnownHostsFile none
IdentitiesOnly yes
IdentityAgent none
User {user}
Host closed
    HostName 127.0.0.1
    Port 9
"""


class Boards:
    """The boards of a running sshd, and the client's side of them."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port

    def add(self, name: str, before: str = "") -> Path:
        """A board without anything; returns its home. before: shell commands that precede every command there.

        The names stranger, impostor and nobody: its host key is unknown, or another than the known one; our key is not accepted there.
        """
        home = self.root / "homes" / name
        home.mkdir(parents=True)
        if before:
            (self.root / "before" / name).write_text(before)
        with (self.root / "client_config").open("a") as config:
            config.write(f"Host {name}\n    HostName 127.0.0.1\n    Port {self.port}\n    SetEnv BOARD={name}\n")
            config.write(f"    HostKeyAlias {name if name in ('stranger', 'impostor') else 'boards'}\n")
            config.write(f"    IdentityFile {self.root}/{'other' if name == 'nobody' else 'client'}_key\n")
        return home

    @property
    def digits(self) -> str:
        """A program digits that the boards have: this checkout's."""
        return str(self.root / "board-bin" / "digits")

    def home(self, name: str) -> Path:
        """The home folder of a board."""
        return self.root / "homes" / name


def is_free(lock: Path) -> bool:
    """Whether no process holds the lock of a board."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_name(f"{path.name}.pub").read_text()


def _prepare(root: Path, port: int) -> None:
    for folder in ("homes", "before", "bin", "board-bin"):
        (root / folder).mkdir()
    host, other = _key(root / "host_key"), _key(root / "other_key")
    (root / "authorized_keys").write_text(_key(root / "client_key"))
    (root / "known_hosts").write_text(f"boards {host}impostor {other}")
    (root / "server_config").write_text(_SERVER.format(root=root, port=port))
    (root / "client_config").write_text(_CLIENT.format(root=root, user=getpass.getuser()))
    _executable(root / "shell", _SHELL.format(root=root))
    _executable(root / "bin" / "ssh", f'#!/bin/sh\nexec {shutil.which("ssh")} -F {root}/client_config "$@"\n')
    _executable(root / "board-bin" / "digits", f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m edge_runtime.cli "$@"\n')
    (root / "board-bin" / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))


@contextmanager
def running_boards(root: Path) -> Iterator[Boards]:
    """Run sshd on a free port of loopback."""
    if SSHD is None:
        pytest.fail("there is no sshd; as root: apt install openssh-server (make test-ssh does it)")
    port = _free_port()
    _prepare(root, port)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd confines its unprivileged part
    server = subprocess.Popen([SSHD, "-D", "-E", root / "log", "-f", root / "server_config"])
    try:
        _wait_for(port, server)
        yield Boards(root, port)
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail("sshd did not start")
