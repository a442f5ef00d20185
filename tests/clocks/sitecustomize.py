"""Another clock for a process of the tests: Python imports this by itself where the folder is on its path.

EDGE_DIGITS_TEST_CLOCK says which. "cost=300": a reading takes so many nanoseconds. "step=1000": it shows steps of so many.
"invented=1000,40": time stands still but for readings, which take about 40, and for what calls `time.perf_counter_ns.advance`; it is
shown in steps of 1,000.
"""

import os
import time

_fine = time.perf_counter_ns


class Costly:
    """The real clock, read slowly."""

    def __init__(self, cost: int) -> None:
        self._cost = cost

    def __call__(self) -> int:
        """Nanoseconds."""
        end = _fine() + self._cost
        while (now := _fine()) < end:
            pass
        return now


class Coarse:
    """The real clock, in steps."""

    def __init__(self, step: int) -> None:
        self._step = step

    def __call__(self) -> int:
        """Nanoseconds."""
        return _fine() // self._step * self._step


class Invented:
    """A clock that is the same on every machine. A reading takes `cost` nanoseconds, one less or one more: no real one is exact."""

    def __init__(self, step: int, cost: int) -> None:
        self._step, self._cost, self._readings, self._now = step, cost, 0, 10**9 + 1

    def __call__(self) -> int:
        """Nanoseconds."""
        self._readings += 1
        self._now += self._cost + self._readings % 3 - 1
        return self._now // self._step * self._step

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self._now += nanoseconds


_KINDS = {"cost": Costly, "step": Coarse, "invented": Invented}

if _chosen := os.environ.get("EDGE_DIGITS_TEST_CLOCK"):
    _kind, _, _values = _chosen.partition("=")
    time.perf_counter_ns = _KINDS[_kind](*map(int, _values.split(",")))
