"""The speed of numpy on this machine, as a yardstick: float32 multiply-adds and copied bytes per second. numpy alone."""

import time
from collections.abc import Callable

import numpy as np

_SIDE = 384  # of square matrices: large enough for the peak, small enough for a core's cache
_BLOCK = 256 * 1024  # bytes: the size of these models, whose weights stay in a core's cache between calls
_TRIES, _COPIES = 20, 100


def measure_peaks() -> tuple[float, float]:
    """Multiply-adds per second of a product of float32 matrices, and copied bytes per second: the best of 20 tries.

    The product uses as many threads as numpy's BLAS is set to; copying uses one.
    """
    generator = np.random.RandomState(0)
    left, right = (generator.rand(_SIDE, _SIDE).astype(np.float32) for _ in range(2))
    product = np.empty_like(left)
    source = generator.randint(0, 256, _BLOCK).astype(np.uint8)
    target = np.empty_like(source)

    def copy() -> None:
        for _ in range(_COPIES):
            np.copyto(target, source)

    return _SIDE**3 / _fastest(lambda: np.matmul(left, right, out=product)), _COPIES * _BLOCK / _fastest(copy)


def _fastest(call: Callable[[], object]) -> float:
    """Seconds of the fastest of several tries: disturbances only slow a try down."""
    times = []
    for _ in range(_TRIES):
        before = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - before)
    return (min(times) or max(times) or 1) / 1e9  # 0 where the clock is too coarse for the fastest
