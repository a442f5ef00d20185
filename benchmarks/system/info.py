"""What machine a measurement is from, as far as the system tells."""

import os
import platform
from pathlib import Path

import numpy as np

from benchmarks.results.records import Machine
from edge_runtime.device.system import read_system
from edge_runtime.inference.interpreter import Backend, backend_version

# What XNNPACK chooses its kernels by, as Linux names it; times of processors that differ in these are not of one machine.
_SIMD = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "neon", "asimd", "asimdhp", "asimddp", "i8mm", "sve")


def this_machine(board: str, backend: Backend) -> Machine:
    """Facts of the machine that this runs on; half a second goes into looking how busy it is."""
    import psutil

    return Machine(
        board=board,
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        cpu=cpu_name(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        governor=_first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) or "not told",
        busy_percent=psutil.cpu_percent(0.5),
        python=platform.python_version(),
        numpy=np.__version__,
        runtime=f"{backend.package} {backend_version(backend)}",
        simd=tuple(name for name in _SIMD if name in read_system().flags),
    )


def default_board_name() -> str:
    """The board's own name where it has one (a Raspberry Pi does), else its architecture."""
    return _first_line(Path("/proc/device-tree/model")).strip("\0") or platform.machine()


def cpu_name() -> str:
    """The processor as Linux names it: `model name` on x86-64, `Model` on a Raspberry Pi."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "not told"
    named = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return named.get("model name") or named.get("Model") or platform.machine()


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0].strip()
    except OSError:
        return ""
