"""The load and the state of the machine during a measurement."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.results.results import Condition
from benchmarks.system.counters import CpuTime, cpu_time, megahertz, process_seconds, waited_ns
from edge_runtime.device.system import read_system


@dataclass(frozen=True)
class Moment:
    """Counters at one moment, in seconds.

    wall: monotonic clock. cpu: CPU time of all programs; None: not available. ours: CPU time of our processes. waited: nanoseconds that
    each worker was ready but had no processor, by process id, where available.
    """

    wall: float
    cpu: CpuTime | None
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
        now, begun = self._now(), self.begun
        seconds = now.wall - begun.wall
        whole = max(seconds, 1e-9) * (os.cpu_count() or 1)
        busy = stolen = None
        if now.cpu and begun.cpu:
            busy = _percent(now.cpu.busy - begun.cpu.busy - (now.ours - begun.ours), whole)
            stolen = _percent(now.cpu.stolen - begun.cpu.stolen, whole)
        system = read_system()
        return Condition(
            when=when,
            seconds=round(seconds, 3),
            busy_percent=busy,
            stolen_percent=stolen,
            megahertz=megahertz(),
            governor=system.governor or "not told",
            celsius=system.temperature,
            throttled=system.throttled,
            waited_percent=self._waited_percent(now, seconds),
        )

    def _waited_percent(self, now: Moment, seconds: float) -> float | None:
        waited = [nanoseconds - self.begun.waited.get(child, 0) for child, nanoseconds in now.waited.items()]
        return _percent(sum(waited), max(seconds, 1e-9) * 1e9) if waited else None

    def _now(self) -> Moment:
        ours = os.times()
        own = ours.user + ours.system + ours.children_user + ours.children_system
        own += sum(process_seconds(child) for child in self.children)
        waited = {child: found for child in self.children if (found := waited_ns(child)) is not None}
        return Moment(time.monotonic(), cpu_time(), own, waited)


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, 100 * part / whole)), 1)


def look(seconds: float, when: str) -> Condition:
    """The condition of the machine over some seconds in which we do nothing."""
    watch = Watch()
    time.sleep(seconds)
    return watch.condition(when)
