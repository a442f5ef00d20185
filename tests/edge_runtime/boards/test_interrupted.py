"""The laptop's side killed at random moments of setup and deploy: a second run finishes, and nothing half or unproven is in use."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_runtime.model.model_file import MODELS
from tests.commands import digits
from tests.conftest import ROOT
from tools.support.waiting import until

from .sshd import Boards, is_free
from .wheels import stub_wheel

pytestmark = pytest.mark.ssh
SETUPS, DEPLOYMENTS = 10, 40


def _kill_at(seconds: float, lock: Path, *words: object) -> bool:
    """Run `digits` and kill it, with its ssh, after some seconds; wait until the board has noticed. Whether it was still running."""
    command = [sys.executable, "-m", "edge_runtime.cli", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    laptop = subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    running = laptop.poll() is None
    if running:
        os.killpg(laptop.pid, signal.SIGKILL)
    laptop.wait()
    until(lambda: not lock.exists() or is_free(lock))
    return running


def _seconds(*words: object) -> float:
    """How long a command takes that is not killed."""
    start = time.monotonic()
    answer = digits(*words)
    assert answer.code == 0, answer.err
    return time.monotonic() - start


def test_setup_is_finished_by_the_next_one(boards: Boards, stub_wheels: Path) -> None:
    """At every moment the environment in use is one that was verified, or there is none."""
    home, moments = boards.add("cut-setup"), random.Random(20)
    folder = home / ".local/share/digits"
    words = ("boards", "setup", "cut-setup", "--wheels", stub_wheels)
    whole, killed = _seconds(*words), 0
    assert digits("boards", "remove", "cut-setup").code == 0
    for number in range(SETUPS):
        stub_wheel(stub_wheels, "0.1.0", said=f"passed {number // 4}")
        killed += _kill_at(moments.uniform(0, whole), folder / "change.lock", *words)
        if (folder / "current").exists():
            assert (folder / "current" / ".finished").exists()
            done = subprocess.run([folder / "current" / "bin" / "digits"], capture_output=True, text=True)
            assert done.stdout.startswith("passed ")
    assert killed
    answer = digits(*words)
    assert (answer.code, answer.out) == (0, f"cut-setup: passed {(SETUPS - 1) // 4}\n")
    assert not (folder / "wheels").exists()
    assert len(list((folder / "environments").iterdir())) <= 2


def test_deployments_are_finished_by_the_next_one(boards: Boards, tmp_path: Path) -> None:
    """At every moment the model in use is whole and was proven on the board: the former one, or the new one."""
    home, moments = boards.add("cut-deploy"), random.Random(21)
    contents = [(MODELS / f"{name}-int8.tflite").read_bytes() for name in ("small", "nano", "base")]
    model, folder = tmp_path / "model.tflite", home / ".local/share/digits"
    model.write_bytes(contents[0])
    words = ("deploy", model, "--on", "cut-deploy", "--remote-command", boards.digits)
    whole, killed, found = _seconds(*words), 0, hashlib.sha256(contents[0]).hexdigest()
    for number in range(DEPLOYMENTS):
        model.write_bytes(contents[number % 3])
        new = hashlib.sha256(model.read_bytes()).hexdigest()
        killed += _kill_at(moments.uniform(0, 1.5 * whole), folder / "change.lock", *words)
        link = folder / "models" / "model.tflite"
        former, found = found, hashlib.sha256(link.read_bytes()).hexdigest()
        assert found in (former, new)
        record = json.loads((link.resolve().with_suffix(".json")).read_text())
        assert (record["file_sha256"], link.resolve().stem) == (found, found)
    assert killed
    assert digits(*words).code == 0
    assert hashlib.sha256((folder / "models" / "model.tflite").read_bytes()).hexdigest() == new
    assert not (folder / "incoming").exists()
