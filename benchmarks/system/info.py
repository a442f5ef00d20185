"""Facts of the machine that a measurement is made on."""

import platform

import numpy as np

from benchmarks.results.records import Machine
from benchmarks.system.monitor import look
from edge_runtime.device.system import board_name, cores, processor_name, read_system
from edge_runtime.inference.interpreter import Backend, backend_version

# CPU flags by which XNNPACK chooses kernels, as Linux names them; processors that differ in these are different machines.
_SIMD = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "neon", "asimd", "asimdhp", "asimddp", "i8mm", "sve")


def this_machine(board: str, backend: Backend) -> Machine:
    """Facts of this machine; takes half a second to measure its load."""
    system = read_system()
    return Machine(
        board=board,
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        cpu=cpu_name(),
        cores=cores(),
        memory_bytes=1024 * system.memory_kib[0] if system.memory_kib else 0,
        governor=system.governor or "not told",
        busy_percent=look(0.5, "").busy_percent,
        python=platform.python_version(),
        numpy=np.__version__,
        runtime=f"{backend.package} {backend_version(backend)}",
        simd=tuple(name for name in _SIMD if name in system.flags),
    )


def default_board_name() -> str:
    """The name in the device tree, as of a Raspberry Pi, else the architecture."""
    return board_name() or platform.machine()


def cpu_name() -> str:
    """What tells this processor from others: the board's name, or the processor's."""
    return processor_name()
