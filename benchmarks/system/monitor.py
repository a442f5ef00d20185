"""The load and the state of the machine during a measurement."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.results.results import Condition
from edge_runtime.device.system import read_system


@dataclass(frozen=True)
class Moment:
    """Counters at one moment, in seconds.

    wall: monotonic clock. busy: CPU time of all programs. stolen: CPU time taken by a hypervisor. ours: CPU time of our processes. waited:
    nanoseconds that each worker was ready but had no processor, by process id, where available.
    """

    wall: float
    busy: float
    stolen: float | None
    ours: float
    waited: dict[int, int]


@dataclass
class Watch:
    """Measures the state of the machine from its creation on; `children` are the ids of our worker processes."""

    children: Sequence[int] = ()
    begun: Moment = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self._now()

    def condition(self, when: str) -> Condition:
        """The condition since then. Call it while the children still run."""
        import psutil

        now, begun = self._now(), self.begun
        seconds = now.wall - begun.wall
        whole = max(seconds, 1e-9) * (os.cpu_count() or 1)
        others = now.busy - begun.busy - (now.ours - begun.ours)
        system = read_system()
        frequencies = (
            [found.current for found in (psutil.cpu_freq(percpu=True) or []) if found.current]
            if hasattr(psutil, "cpu_freq")
            else []
        )
        return Condition(
            when=when,
            seconds=round(seconds, 3),
            busy_percent=_percent(others, whole),
            stolen_percent=None if now.stolen is None or begun.stolen is None else _percent(now.stolen - begun.stolen, whole),
            megahertz=max(frequencies, default=None),
            governor=system.governor or "not told",
            celsius=system.temperature,
            throttled=system.throttled,
            waited_percent=self._waited_percent(now, seconds),
        )

    def _waited_percent(self, now: Moment, seconds: float) -> float | None:
        waited = [nanoseconds - self.begun.waited.get(child, 0) for child, nanoseconds in now.waited.items()]
        return _percent(sum(waited), max(seconds, 1e-9) * 1e9) if waited else None

    def _now(self) -> Moment:
        import psutil

        times = psutil.cpu_times()
        # Guest time is part of user time; waiting for a disk is idle time.
        idle = times.idle + getattr(times, "iowait", 0.0)
        stolen = getattr(times, "steal", None)
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        ours = os.times()
        own = ours.user + ours.system + ours.children_user + ours.children_system
        for child in self.children:
            with suppress(psutil.Error):
                found = psutil.Process(child).cpu_times()
                own += found.user + found.system
        return Moment(time.monotonic(), sum(times) - idle - guests - (stolen or 0.0), stolen, own, self._waited())

    def _waited(self) -> dict[int, int]:
        found = {}
        for child in self.children:
            with suppress(OSError, ValueError, IndexError):
                # https://docs.kernel.org/scheduler/sched-stats.html: time on a processor, time waiting for one, time slices
                found[child] = int(Path(f"/proc/{child}/schedstat").read_text().split()[1])
        return found


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, 100 * part / whole)), 1)


def look(seconds: float, when: str) -> Condition:
    """The condition of the machine over some seconds in which we do nothing."""
    watch = Watch()
    time.sleep(seconds)
    return watch.condition(when)
