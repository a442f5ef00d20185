"""Facts of a device, as far as the system states them. `rules` judges them."""

import importlib.util
import os
import platform
import re
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.packages import pip_install

PACKAGES = ("numpy", "Pillow", "click", "ai-edge-litert", "tflite-runtime", "tensorflow", "opencv-python", "opencv-python-headless")
# Names of video devices that encode, decode or scale: words in those of the Raspberry Pi's drivers, and of other boards'.
_CODEC = re.compile(r"codec|bcm2835-isp|pispbe|rpivid|hevc|vpu|vdec|venc|decoder|encoder|cedrus|\brga\b|-(dec|enc)\b")


@frozen_dataclass
class System:
    """A device and its Python.

    machine: the kernel's architecture, such as aarch64. bits: of this Python, 32 or 64. libc: such as "glibc 2.36". flags: of the
    processor. packages: installed versions by name. venv: folder of the virtual environment; empty outside of one. pip_install: the
    command that installs packages for this Python. board: the board's name, such as "Raspberry Pi 4 Model B Rev 1.4"; may be empty.
    memory_kib: (total, available). temperature: degrees Celsius. throttled: bits of the Raspberry Pi's firmware; None on other boards.
    debian: Debian or a derivative. cameras: device files by number, each with the driver's name of it; codecs are none.
    debian_picamera2: Debian's package is installed. picamera2, opencv: are found by this Python.
    """

    python: tuple[int, int, int]
    machine: str
    bits: int
    libc: str
    cpu: str
    cores: int
    flags: frozenset[str]
    packages: dict[str, str]
    venv: str
    pip_install: str
    board: str
    memory_kib: tuple[int, int] | None
    governor: str
    temperature: float | None
    throttled: int | None
    debian: bool
    cameras: Mapping[str, str]
    debian_picamera2: bool
    picamera2: bool
    opencv: bool


def read_system(root: Path = Path("/")) -> System:
    """Read the facts; `root` contains /proc, /sys, /dev and /usr."""
    processor = _fields(root / "proc/cpuinfo")
    flags = processor.get("flags") or processor.get("Features") or ""
    return System(
        python=sys.version_info[:3],
        machine=platform.machine(),
        bits=8 * struct.calcsize("P"),
        libc=_libc(),
        cpu=processor_name(root),
        cores=cores(),
        flags=frozenset(flags.split()),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        venv=sys.prefix if sys.prefix != sys.base_prefix else "",
        pip_install=pip_install(),
        board=board_name(root),
        memory_kib=_memory(root / "proc/meminfo"),
        governor=_line(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        temperature=_temperature(root / "sys/class/thermal"),
        throttled=_throttled(root / "sys/devices/platform"),
        debian=(root / "etc/debian_version").exists(),
        cameras=_cameras(root),
        debian_picamera2=(root / "usr/lib/python3/dist-packages/picamera2").is_dir(),
        picamera2=_can_import("picamera2"),
        opencv=_can_import("cv2"),
    )


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def board_name(root: Path = Path("/")) -> str:
    """The board's name, such as "Raspberry Pi 4 Model B Rev 1.4"; empty if it has none."""
    return _line(root / "proc/device-tree/model").strip("\0")


def processor_name(root: Path = Path("/")) -> str:
    """What tells this processor from others.

    The board's name where there is one: Linux names no ARM processor, or all of one architecture alike. Else the model name, or the maker's
    and the processor's number, or the architecture.
    """
    processor = _fields(root / "proc/cpuinfo")
    numbers = [processor.get(name) for name in ("CPU implementer", "CPU part")]
    numbered = f"{platform.machine()} processor {numbers[0]} {numbers[1]}" if all(numbers) else ""
    return board_name(root) or processor.get("model name") or processor.get("Model") or numbered or platform.machine()


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # 25 ms that a tuned `digits classify` need not pay

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _can_import(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _line(path: Path) -> str:
    try:
        return path.read_text(errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _fields(path: Path) -> dict[str, str]:
    """The `name: value` lines of a file; of several with one name, the last."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _memory(path: Path) -> tuple[int, int] | None:
    fields = _fields(path)
    amounts = [fields.get(name, "").partition(" ")[0] for name in ("MemTotal", "MemAvailable")]
    return (int(amounts[0]), int(amounts[1])) if all(amount.isdecimal() for amount in amounts) else None


def _temperature(folder: Path) -> float | None:
    """The temperature of the hottest zone; Linux states thousandths of a degree."""
    found = [_line(path / "temp") for path in _listed(folder, "thermal_zone*")]
    degrees = [int(text) / 1_000 for text in found if text.lstrip("-").isdecimal()]
    return max(degrees, default=None)


def _throttled(folder: Path) -> int | None:
    """The firmware's bits; its device is named after its bus: `soc:firmware`, on a Raspberry Pi 5 `soc@107c000000:firmware`."""
    for path in _listed(folder, "soc*/*:firmware/get_throttled"):
        with suppress(ValueError):
            return int(_line(path), 16)
    return None


def _cameras(root: Path) -> dict[str, str]:
    """Video devices with the driver's name of each, ordered by number, without codecs. Of a camera with several, the first (index 0)."""
    found = {}
    for path in sorted(_listed(root / "dev", "video*"), key=lambda path: (len(path.name), path.name)):
        facts = root / "sys/class/video4linux" / path.name
        name = _line(facts / "name")
        if not _CODEC.search(name) and _line(facts / "index") in ("", "0"):
            found[f"/dev/{path.name}"] = name
    return found


def _libc() -> str:
    """The C library and its version. `platform` does not know musl before Python 3.14; the name of Python's own modules does."""
    import sysconfig

    stated = " ".join(filter(None, platform.libc_ver()))
    return stated or ("musl" if "musl" in (sysconfig.get_config_var("SOABI") or "") else "unknown")


def _listed(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []
