"""Counters of the system: read from files as Linux writes them, and as psutil reads them on this machine."""

import os
from pathlib import Path

import psutil
import pytest

from benchmarks.system import counters
from benchmarks.system.counters import CpuTime, cpu_time, megahertz, process_seconds, waited_ns
from benchmarks.system.monitor import Watch

FILES = {
    "proc/stat": "cpu  100 20 300 4000 50 6 7 80 90 10\ncpu0 100 20 300 4000 50 6 7 80 90 10\nctxt 5\n",
    "proc/7/stat": "7 (a name) with) S 1 7 7 0 -1 4194560 100 200 0 0 250 50 900 800 20 0 1 0 5 6 7\n",
    "proc/7/schedstat": "1000 2345 6\n",
    "proc/cpuinfo": "processor : 0\ncpu MHz\t\t: 2400.5\nprocessor : 1\ncpu MHz\t\t: 2600.25\n",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system with these files, whose clock ticks a hundred times a second."""
    monkeypatch.setattr(counters, "_ticks", lambda: 100)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_counters_are_those_of_the_files(root: Path) -> None:
    """Waiting for a disk is no work, a guest's time is part of user time; a program's name may have brackets."""
    assert cpu_time(root) == CpuTime(busy=4.33, stolen=0.8)
    assert process_seconds(7, root) == 3.0
    assert waited_ns(7, root) == 2345
    assert megahertz(root) == 2600.25


def test_a_board_states_the_frequency_of_each_core(root: Path) -> None:
    """In kilohertz; the fastest counts."""
    for core, kilohertz in enumerate((600_000, 1_500_000)):
        folder = root / f"sys/devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(f"{kilohertz}\n")
    assert megahertz(root) == 1_500


def test_what_the_system_does_not_say_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, not 0: a machine of which nothing is known is not idle. A process that has ended takes no time."""
    assert (cpu_time(tmp_path), megahertz(tmp_path), waited_ns(1, tmp_path), process_seconds(1, tmp_path)) == (None, None, None, 0)
    monkeypatch.setattr("benchmarks.system.monitor.cpu_time", lambda: None)
    found = Watch().condition("after")
    assert (found.busy_percent, found.stolen_percent) == (None, None)


def test_they_are_what_psutil_reads() -> None:
    """Between two readings of ours, or equal."""
    before, theirs, after = cpu_time(), psutil.cpu_times(), cpu_time()
    assert before
    assert after
    assert before.busy <= theirs.user + theirs.nice + theirs.system + theirs.irq + theirs.softirq + 0.011
    assert theirs.steal <= after.stolen + 0.011
    own = psutil.Process().cpu_times()
    assert own.user + own.system <= process_seconds(os.getpid()) + 0.011
