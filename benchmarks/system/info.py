"""Facts of the machine that a measurement is made on."""

import os
import platform
from pathlib import Path

import numpy as np

from benchmarks.results.records import Machine
from edge_runtime.device.system import read_system
from edge_runtime.inference.interpreter import Backend, backend_version

# CPU flags by which XNNPACK chooses kernels, as Linux names them; processors that differ in these are different machines.
_SIMD = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "neon", "asimd", "asimdhp", "asimddp", "i8mm", "sve")


def this_machine(board: str, backend: Backend) -> Machine:
    """Facts of this machine; takes half a second to measure its load."""
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
    """The name in the device tree, as of a Raspberry Pi, else the architecture."""
    return _first_line(Path("/proc/device-tree/model")).strip("\0") or platform.machine()


def cpu_name() -> str:
    """The processor as in /proc/cpuinfo: `model name` on x86-64, `Model` on a Raspberry Pi."""
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
