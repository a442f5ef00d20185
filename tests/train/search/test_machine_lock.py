"""The lock of the machine, between processes."""

import fcntl
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_runtime.errors import DigitsError
from tools.support.waiting import PATIENCE
from train.search.machine_lock import measurement_lock, training_lock

_TRAINING = """
import json, sys, time
from pathlib import Path
from train.search.machine_lock import training_lock

folder, batches = Path(sys.argv[1]), []
with training_lock(folder) as yield_to_measurements:
    while not (folder / "stop").exists():
        begin = time.monotonic()
        time.sleep(0.02)
        batches.append((begin, time.monotonic()))
        if len(batches) == 1:
            print("training", flush=True)
        yield_to_measurements()
print(json.dumps(batches))
"""
_MEASURING = """
import sys, time
from pathlib import Path
from train.search.machine_lock import measurement_lock

with measurement_lock(Path(sys.argv[1])):
    print("measuring", flush=True)
    time.sleep(600)
"""


def _start(code: str, folder: Path) -> subprocess.Popen[str]:
    """A process that holds its lock."""
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline().strip() in ("training", "measuring")
    return process


def test_no_batch_runs_while_something_is_measured_and_nobody_waits_for_a_training(tmp_path: Path) -> None:
    """Two processes train all the time: five measurements run between their batches, and overlap with none."""
    trainings = [_start(_TRAINING, tmp_path) for _ in range(2)]
    measured: list[tuple[float, float]] = []

    def measure() -> None:
        for _ in range(5):
            with measurement_lock(tmp_path):
                begin = time.monotonic()
                time.sleep(0.05)
                measured.append((begin, time.monotonic()))

    measuring = threading.Thread(target=measure)
    measuring.start()
    measuring.join(PATIENCE)
    (tmp_path / "stop").touch()  # until then both trainings are at it
    assert len(measured) == 5
    batches = [batch for process in trainings for batch in json.loads(process.communicate()[0])]
    assert not [(one, batch) for one in measured for batch in batches if one[0] < batch[1] and batch[0] < one[1]]


def test_trainings_run_side_by_side(tmp_path: Path) -> None:
    """Several trainings share the lock, and none of them holds it alone."""
    with training_lock(tmp_path):
        with training_lock(tmp_path) as yield_to_measurements:
            yield_to_measurements()
        (lock,) = tmp_path.glob("*machine*")
        with lock.open() as held, pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_process_that_is_killed_leaves_no_lock_behind(tmp_path: Path) -> None:
    """The kernel releases its lock."""
    process = _start(_MEASURING, tmp_path)
    (lock,) = tmp_path.glob("*machine*")
    with lock.open() as held, pytest.raises(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    process.kill()
    process.communicate()
    with training_lock(tmp_path):
        pass


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A symbolic link may lead anywhere, so it is not followed."""
    (tmp_path / "edge-digits-gate.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DigitsError, match=r"gate\.lock: cannot be opened as a lock"), training_lock(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()
