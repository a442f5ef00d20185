"""A connection to a board by the system's OpenSSH client.

The user's own configuration holds: aliases, agents, jump hosts, hardware keys, known_hosts. Nothing is asked and nothing is trusted here
that it does not trust: BatchMode.
"""

import re
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from edge_runtime.errors import BoardError, MissingPackage

CONNECT_SECONDS = 10
# Three unanswered questions, five seconds apart, end a connection whose board has lost its power.
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
_SOCKET_SECONDS = 60  # a jump host and a touch of a hardware key may be needed
SSH_FAILED = 255
"""Exit code of ssh for errors of its own."""
_NOT_FOUND = 127
# What OpenSSH says -> cause, and what to do about it.
_CAUSES = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "wrong-key",
        "its host key is not the known one: another machine answers, or the board was installed anew; if so: ssh-keygen -R {name}",
    ),
    (
        r"Host key verification failed|No \w+ host key is known",
        "unknown-key",
        "its host key is not known; compare it once by hand: ssh {host}",
    ),
    (r"Permission denied|Too many authentication failures", "denied", "it accepts none of your keys; try: ssh-copy-id {host}"),
    (r"Could not resolve hostname", "unreachable", "no such host; is the name right, and the board on?"),
    (
        r"timed out|refused|No route to host|unreachable|closed by|reset by|Broken pipe|not responding",
        "unreachable",
        "it cannot be reached ({detail}); is the board on, and in this network?",
    ),
)


class Connection:
    """Commands on one board. Within a `with`, they share one connection, so that all but the first start in milliseconds."""

    def __init__(self, host: str) -> None:
        """Args: host: checked by `check_host`."""
        self.host = host
        self._folder: Path | None = None
        self._master: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Connection":
        """Open the shared connection. It ends with this process, also if that is killed: then its remote `cat` has no input any more.

        Raises:
            BoardError: the board cannot be reached.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="digits-", dir="/tmp"))  # private; sockets need short paths
        try:
            self._open_master(self._folder / "s")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the shared connection."""
        if self._master and self._master.stdin:
            self._master.stdin.close()
            self._master.terminate()
            self._master.wait()
            assert self._master.stdout is not None
            self._master.stdout.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._master = self._folder = None

    def start(self, command: list[str], stderr: IO[bytes] | int) -> "subprocess.Popen[bytes]":
        """Start a command on the board; its standard input and output are pipes.

        Args:
            command: program and arguments, each quoted for the board's shell.
            stderr: as for `subprocess.Popen`.
        """
        shared = [f"-S{self._folder / 's'}", "-oControlMaster=no"] if self._folder else []
        return self._ssh(shared, shlex.join(command), stderr)

    def _open_master(self, socket: Path) -> None:
        with tempfile.TemporaryFile() as stderr:
            self._master = self._ssh(["-M", f"-S{socket}", "-oControlPersist=no"], "cat", stderr)
            deadline = time.monotonic() + _SOCKET_SECONDS
            while not socket.exists():
                if self._master.poll() is not None:
                    stderr.seek(0)
                    raise connection_error(self.host, stderr.read().decode(errors="replace"))
                if time.monotonic() > deadline:
                    raise BoardError(
                        f"{self.host}: no connection within {_SOCKET_SECONDS} seconds; try: ssh {self.host}", "timeout"
                    )
                time.sleep(0.01)

    def _ssh(self, shared: list[str], command: str, stderr: IO[bytes] | int) -> "subprocess.Popen[bytes]":
        options = [f"-o{name}={value}" for name, value in _OPTIONS.items()]
        try:
            return subprocess.Popen(
                ["ssh", *shared, *options, "--", self.host, command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        except FileNotFoundError as error:
            raise MissingPackage(
                "there is no ssh on this machine; install OpenSSH's client: sudo apt install openssh-client"
            ) from error


def connection_error(host: str, stderr: str) -> BoardError:
    """The error for what ssh printed."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    detail = "".join(
        letter if letter.isprintable() else " " for letter in (lines[-1] if lines else "ssh ended without a message")[:200]
    )
    name = host.removeprefix("ssh://").rpartition("@")[2]
    for pattern, cause, text in _CAUSES:
        if re.search(pattern, stderr):
            return BoardError(f"{host}: {text.format(host=host, name=name, detail=detail)}", cause)
    return BoardError(f"{host}: ssh failed ({detail}); try: ssh {host}", "unreachable")


def exit_error(host: str, code: int, stderr: str) -> BoardError:
    """The error for a remote command that ended with an exit code and without a reply."""
    if code == SSH_FAILED:
        return connection_error(host, stderr)
    if code == _NOT_FOUND:
        return BoardError(f"{host}: it has no python3; there: sudo apt install python3", "no-python")
    lines = [line for line in stderr.splitlines() if line.strip()]
    return BoardError(f"{host}: the command ended with exit code {code}" + (f" ({lines[-1][:200]})" if lines else ""), "broken")
