"""Emulated Raspberry Pis: builds a Debian root per board and runs commands in it under QEMU.

A root is only unpacked, never configured: debootstrap fetches the packages, dpkg-deb unpacks them, and the few links that their
installation scripts would have made are made here. That spares the ten minutes of an emulated second stage.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from .host import CERTIFICATES, EmulationError, debian_mirror, ensure_host_packages, output_of

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
CACHE = CHECKOUT / ".cache" / "emulation"
MARKER = "complete.json"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

STARTUP = "/etc/python3.11/sitecustomize.py"

PYTHON = ("python3", "python3-pip", "python3-venv")
NUMPY = ("python3-numpy", "python3-pil")
LIBRARY_LINKS = ("blas/libblas.so.3", "lapack/liblapack.so.3")
"""What Debian's update-alternatives would have linked into the folder above."""


@dataclass(frozen=True)
class Board:
    """A Raspberry Pi to stand in for: its operating system and its processor."""

    name: str
    release: str
    """Debian release that its Raspberry Pi OS is made from."""
    architecture: str
    """Debian's name of the userland's architecture: arm64 or armhf."""
    cpu: str
    """QEMU's name of the processor."""
    cpuinfo: str
    """File beside this one that stands in for /proc/cpuinfo. QEMU shows the host's, on which XNNPACK's start-up crashes."""
    packages: tuple[str, ...] = PYTHON
    startup: str | None = None
    """File beside this one that every Python runs as it starts."""


PI4 = Board("pi4", "bookworm", "arm64", "cortex-a72", "pi4.cpuinfo")
PI3 = Board("pi3", "bookworm", "arm64", "cortex-a53", "pi3.cpuinfo")
PI5 = Board("pi5", "bookworm", "arm64", "cortex-a76", "pi5.cpuinfo")
PI4_TRIXIE = Board("pi4-trixie", "trixie", "arm64", "cortex-a72", "pi4.cpuinfo")
PI4_32BIT = Board("pi4-32bit", "bookworm", "armhf", "cortex-a15", "pi4.cpuinfo", PYTHON + NUMPY, "says_aarch64.py")
PI2 = Board("pi2", "bookworm", "armhf", "cortex-a7", "pi2.cpuinfo", PYTHON + NUMPY)


@dataclass(frozen=True)
class Machine:
    """A board whose root is ready to run commands."""

    board: Board
    root: Path
    mounts: Mapping[str, Path] = field(default_factory=dict)
    """Files and folders of the host seen by every command: path in the root -> path on the host."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run a command in the root, whatever its exit code."""
        mounts = [f"{source}={target}" for target, source in self.mounts.items()]
        entrance = [HERE / "enter.sh", self.root, HERE / self.board.cpuinfo, *mounts, "--", *command]
        environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "QEMU_CPU": self.board.cpu, **self.environment}
        entered = ["unshare", "--mount", *map(str, entrance)]
        return subprocess.run(entered, check=False, capture_output=True, text=True, env=environment)

    def run(self, command: Sequence[str]) -> str:
        """Standard output of a command in the root.

        Raises:
            EmulationError: the command failed; the message ends in what it printed.
        """
        done = self.start(command)
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-4000:]
            raise EmulationError(f"{self.board.name}: exit {done.returncode} of: {' '.join(command)}\n{said}")
        return done.stdout


def boot(board: Board, mounts: Mapping[str, Path] | None = None, environment: Mapping[str, str] | None = None) -> Machine:
    """The board with its root, which is built first if the cache lacks it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "host.lock"):
        ensure_host_packages()
    recipe = {"packages": board.packages, "layout": 2}
    root = cached_folder(f"root-{board.release}-{board.architecture}", recipe, lambda folder: build_root(board, folder))
    startup = {STARTUP: HERE / board.startup} if board.startup else {}
    return Machine(board, root, startup | dict(mounts or {}), environment or {})


def cached_folder(name: str, recipe: Mapping[str, object], build: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache; `build` fills it when it is missing, incomplete or was made by another recipe.

    One process at a time builds; the others wait for it.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{name}.lock"):
        return _cached_folder(CACHE / name, json.dumps(recipe, sort_keys=True), build)


def _cached_folder(folder: Path, expected: str, build: Callable[[Path], None]) -> Path:
    marker = folder / MARKER
    if marker.exists() and marker.read_text(encoding="utf-8") == expected:
        return folder
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{folder.name}.") as workshop:
        made = Path(workshop) / "made"
        made.mkdir()
        build(made)
        (made / MARKER).write_text(expected, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


def build_root(board: Board, root: Path) -> None:
    """Fill an empty folder with the board's operating system."""
    _make_skeleton(root)
    with tempfile.TemporaryDirectory(dir=root.parent) as downloads:
        for package in _fetch_packages(board, Path(downloads)):
            output_of(["dpkg-deb", "--extract", package, root])
    _link_libraries(root)
    bundle_certificates(root)
    _show_processors(root)


def _fetch_packages(board: Board, folder: Path) -> list[Path]:
    """The .deb files of a minimal system with the board's packages, signatures checked by debootstrap."""
    wanted = ",".join(board.packages)
    options = ["--download-only", "--variant=minbase", f"--arch={board.architecture}", f"--include={wanted}"]
    output_of(["debootstrap", *options, board.release, folder, debian_mirror()])
    return sorted(folder.glob("var/cache/apt/archives/*.deb"))


def _make_skeleton(root: Path) -> None:
    """The links of a merged /usr, without which packages would unpack into two trees, and the mount points."""
    for name in ("bin", "sbin", "lib"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(Path("usr") / name)
    for name in ("dev", "proc", "root", "tmp"):
        (root / name).mkdir()


def _link_libraries(root: Path) -> None:
    for link in LIBRARY_LINKS:
        for library in root.glob(f"usr/lib/*/{link}"):
            (library.parents[1] / library.name).symlink_to(link)


def bundle_certificates(root: Path) -> None:
    """What Debian's update-ca-certificates would have made; Debian's pip does not start without it."""
    bundle = root / CERTIFICATES.lstrip("/")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    certificates = sorted(root.glob("usr/share/ca-certificates/mozilla/*.crt"))
    bundle.write_text("".join(file.read_text(encoding="utf-8") for file in certificates), encoding="utf-8")


def _show_processors(root: Path) -> None:
    """Four processors in /sys, where XNNPACK's cpuinfo counts them."""
    folder = root / "sys/devices/system/cpu"
    folder.mkdir(parents=True)
    for name in ("possible", "present"):
        (folder / name).write_text("0-3\n", encoding="ascii")
