"""Counters of Linux: CPU time, waiting and frequency, from /proc and /sys. None where the system has no such file.

https://man7.org/linux/man-pages/man5/proc.5.html
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")
_STAT = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_USER, _SYSTEM = 11, 12  # fields of /proc/PID/stat behind the name of the program


@dataclass(frozen=True)
class CpuTime:
    """Seconds of all processors since boot. busy: of all programs. stolen: taken by a hypervisor."""

    busy: float
    stolen: float


def cpu_time(root: Path = _ROOT) -> CpuTime | None:
    """CPU time since boot. Guest time is part of user time; waiting for a disk is idle time."""
    text = _read(root / "proc/stat").partition("\n")[0]
    if not text.startswith("cpu "):
        return None
    ticks = {name: int(count) / _ticks() for name, count in zip(_STAT, text.split()[1:], strict=False)}
    busy = sum(ticks.get(name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
    return CpuTime(busy, ticks.get("steal", 0.0))


def process_seconds(process: int, root: Path = _ROOT) -> float:
    """CPU time of a process without its children, in seconds; 0 if it has ended."""
    fields = _read(root / f"proc/{process}/stat").rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _ticks() if fields else 0.0


def waited_ns(process: int, root: Path = _ROOT) -> int | None:
    """Nanoseconds in which a process was ready but had no processor.

    https://docs.kernel.org/scheduler/sched-stats.html: time on a processor, time waiting for one, time slices.
    """
    with suppress(ValueError, IndexError):
        return int(_read(root / f"proc/{process}/schedstat").split()[1])
    return None


def megahertz(root: Path = _ROOT) -> float | None:
    """The frequency of the fastest core."""
    found = [_read(path) for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    kilohertz = [int(text) for text in found if text.strip().isdecimal()]
    if kilohertz:
        return max(kilohertz) / 1_000
    lines = _read(root / "proc/cpuinfo").splitlines()
    return max((float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")), default=None)


def _ticks() -> int:
    return os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
