"""An emulated board as a whole machine: QEMU's system emulation, reached by SSH as a real one is."""

import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .boards import PI4, Board
from .host import EmulationError, output_of
from .vm_image import HOST_ALIAS, Image

HTTP = 8000
"""A port of the machine that the host reaches, besides SSH."""
BOOT_SECONDS = 900.0
"""How long sshd may take to answer: half a minute alone, ten beside much other work. A machine that takes longer hangs."""
COMMAND_SECONDS = 300.0

_SSH = """Host {alias}
  HostName 127.0.0.1
  Port {machine.ssh_port}
  User root
  IdentityFile "{image.key}"
  IdentitiesOnly yes
  UserKnownHostsFile "{image.known_hosts}"
  HostKeyAlias {alias}
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 60
"""


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class VirtualMachine:
    """A machine that can be switched on and off.

    image: what it starts from. folder: an empty one for its console's output, its SSH settings and what it changes on its disk.
    """

    image: Image
    folder: Path
    board: Board = PI4
    ssh_port: int = field(default_factory=_free_port)
    http_port: int = field(default_factory=_free_port)
    _process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.ssh_config.write_text(_SSH.format(machine=self, image=self.image, alias=HOST_ALIAS), encoding="utf-8")
        backing: list[str | Path] = ["-F", "raw", "-b", self.image.disk.resolve()]
        output_of(["qemu-img", "create", "-q", "-f", "qcow2", *backing, self._disk])

    @property
    def console(self) -> Path:
        """What its console has said."""
        return self.folder / "console.txt"

    @property
    def ssh_config(self) -> Path:
        """Settings of OpenSSH in which the machine is `HOST_ALIAS`: `ssh -F FILE raspberrypi`, as root if no user is named."""
        return self.folder / "ssh_config"

    def start(self) -> None:
        """Switch it on, and wait until it answers by SSH.

        Raises:
            EmulationError: it does not; the message ends in what its console said.
        """
        self._process = subprocess.Popen(self._emulator(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._wait(lambda: self.ssh(["true"], seconds=90).returncode == 0, "no answer by SSH")

    def ssh(
        self, command: Sequence[str], *, user: str = "root", seconds: float = COMMAND_SECONDS
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command there, whatever its exit code; 255 if there is no connection, or none within `seconds`."""
        return _run(self.command(command, user=user), seconds)

    def command(self, command: Sequence[str], *, user: str = "root") -> list[str]:
        """The command of the host that runs a command there."""
        return ["ssh", "-F", str(self.ssh_config), f"{user}@{HOST_ALIAS}", shlex.join(command)]

    def run(self, command: Sequence[str], *, user: str = "root") -> str:
        """Standard output of a command there.

        Raises:
            EmulationError: it failed; the message ends in what it printed.
        """
        done = self.ssh(command, user=user)
        if done.returncode != 0:
            raise EmulationError(f"exit {done.returncode} of: {shlex.join(command)}\n{(done.stdout + done.stderr)[-4000:]}")
        return done.stdout

    def copy(self, source: Path, target: str, *, user: str = "root") -> None:
        """Copy a file or a folder of the host to a path there.

        Raises:
            EmulationError: it could not be copied.
        """
        done = _run(["scp", "-q", "-r", "-F", str(self.ssh_config), str(source), f"{user}@{HOST_ALIAS}:{target}"], COMMAND_SECONDS)
        if done.returncode != 0:
            raise EmulationError(f"cannot copy {source}: {done.stderr}")

    def reboot(self) -> None:
        """Shut down and start again, as `systemctl reboot` does.

        Raises:
            EmulationError: it did not come back.
        """
        before = self._boot_id()
        self.ssh(["systemctl", "reboot"])
        self._wait(lambda: self._boot_id() not in ("", before), "it did not come back from a reboot")

    def power_cut(self) -> None:
        """Switch it off at once. What it had not brought to its disk is lost, as on a board whose plug is pulled."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _emulator(self) -> list[str]:
        forwards = f"hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22,hostfwd=tcp:127.0.0.1:{self.http_port}-:{HTTP}"
        # a power cut loses what the guest had not flushed, so flushes have to reach the overlay
        disk = f"file={self._disk},format=qcow2,cache=writeback"
        return [
            *("qemu-system-aarch64", "-M", "virt", "-cpu", self.board.cpu, "-smp", "2", "-m", "1024"),
            *("-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd)),
            *("-append", "console=ttyAMA0 net.ifnames=0"),
            *("-netdev", f"user,id=net,restrict=on,{forwards}", "-device", "virtio-net-pci,netdev=net,romfile="),
            *("-device", "virtio-rng-pci", "-drive", f"{disk},if=virtio"),
            *("-display", "none", "-monitor", "none", "-serial", f"file:{self.console}"),
        ]

    @property
    def _disk(self) -> Path:
        return self.folder / "disk.qcow2"

    def _boot_id(self) -> str:
        """What tells one start from the next; empty while it does not answer."""
        done = self.ssh(["cat", "/proc/sys/kernel/random/boot_id"], seconds=90)
        return done.stdout.strip() if done.returncode == 0 else ""

    def _wait(self, ready: Callable[[], bool], complaint: str) -> None:
        end = time.monotonic() + BOOT_SECONDS
        while not ready():
            ended = self._process and self._process.poll() is not None
            if ended or time.monotonic() > end:
                self.power_cut()
                said = self.console.read_text(errors="replace")[-4000:] if self.console.exists() else ""
                raise EmulationError(f"{'QEMU ended' if ended else complaint}; its console:\n{said}")
            time.sleep(1)


def _run(command: list[str], seconds: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 255, "", f"no answer within {seconds:g} seconds")
