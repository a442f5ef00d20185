"""Facts of a device, as far as the system states them. `rules` judges them."""

import importlib.util
import os
import platform
import struct
import sys
from pathlib import Path

from edge_runtime.common.frozen_dataclass import frozen_dataclass

PACKAGES = ("numpy", "Pillow", "click", "ai-edge-litert", "tflite-runtime", "tensorflow", "opencv-python", "opencv-python-headless")


@frozen_dataclass
class System:
    """A device and its Python.

    machine: the kernel's architecture, such as aarch64. bits: of this Python, 32 or 64. libc: such as "glibc 2.36". flags: of the
    processor. packages: installed versions by name. board: the board's name, such as "Raspberry Pi 4 Model B Rev 1.4"; may be empty.
    memory_kib: (total, available). temperature: degrees Celsius. throttled: bits of the Raspberry Pi's firmware; None on other boards.
    debian: Debian or a derivative. cameras: device files. debian_picamera2: Debian's package is installed. picamera2, opencv: can be
    imported.
    """

    python: tuple[int, int, int]
    machine: str
    bits: int
    libc: str
    cpu: str
    cores: int
    flags: frozenset[str]
    packages: dict[str, str]
    in_venv: bool
    board: str
    memory_kib: tuple[int, int] | None
    governor: str
    temperature: float | None
    throttled: int | None
    debian: bool
    cameras: tuple[str, ...]
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
        libc=" ".join(filter(None, platform.libc_ver())) or "unknown",
        cpu=processor_name(root),
        cores=cores(),
        flags=frozenset(flags.split()),
        packages={name: found for name in PACKAGES if (found := _version(name))},
        in_venv=sys.prefix != sys.base_prefix,
        board=board_name(root),
        memory_kib=_memory(root / "proc/meminfo"),
        governor=_line(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        temperature=_temperature(root / "sys/class/thermal"),
        throttled=_throttled(root / "sys/devices/platform/soc/soc:firmware/get_throttled"),
        debian=(root / "etc/debian_version").exists(),
        cameras=tuple(sorted(f"/dev/{path.name}" for path in _listed(root / "dev", "video*"))),
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
    """The processor's name, or its architecture if it has none."""
    processor = _fields(root / "proc/cpuinfo")
    return processor.get("model name") or processor.get("Model") or platform.machine()


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


def _throttled(path: Path) -> int | None:
    try:
        return int(_line(path), 16)
    except ValueError:
        return None


def _listed(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []
