"""Work in a child process: results, steps and errors come back, and a child that dies is an error message."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.child import in_child
from edge_runtime.errors import DigitsError, InputError
from tests.conftest import ROOT

Step = Callable[[str], object]


def add(left: int, right: int, *, step: Step) -> int:
    """Adds, and says so."""
    step(f"adding {left} and {right}")
    return left + right


def refuse(*, step: Step) -> None:
    """Raises an error of ours."""
    raise InputError("no such thing")


def die(number: int, *, step: Step) -> None:
    """Ends as an abort inside a C++ library does."""
    step("converting")
    os.kill(os.getpid(), number)


def leave(*, step: Step) -> None:
    """Ends without a word."""
    os._exit(7)


def test_results_and_steps_come_back() -> None:
    """And a number that the child added."""
    steps: list[str] = []
    assert in_child(add, 2, right=3, step=steps.append) == 5
    assert steps == ["adding 2 and 3"]


def test_an_error_of_ours_is_raised_here() -> None:
    """Of its own class, so that the exit code is right."""
    with pytest.raises(InputError, match="no such thing"):
        in_child(refuse, step=print)


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_a_child_that_is_killed_is_an_error_message(number: signal.Signals) -> None:
    """It names the signal and what was done at the time."""
    with pytest.raises(DigitsError, match=rf"died \({number.name}\) at this step: converting"):
        in_child(die, int(number), step=lambda _: None)


def test_a_child_that_leaves_is_an_error_message() -> None:
    """With its exit code."""
    with pytest.raises(DigitsError, match="exit code 7"):
        in_child(leave, step=lambda _: None)


@pytest.mark.slow
def test_killing_a_conversion_leaves_no_half_file(trained_cnn: Path, data_file: Path, tmp_path: Path) -> None:
    """At 50 random moments: every file that is there can be read, and nothing temporary stays once the command has been run to its end."""
    from edge_runtime.model_file import read_model_file

    out = tmp_path / "out"
    command = [sys.executable, "-m", "edge_runtime.cli", "convert", str(trained_cnn), "--data", str(data_file), "--out", str(out)]
    command += ["--force", "--max-drop", "100", "--recipe", "int8"]
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    whole = time.monotonic() - started
    for moment in np.random.RandomState(0).uniform(0.1, 1.0, 50):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)
        time.sleep(whole * moment)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for path in out.glob("*.tflite"):
            read_model_file(path)
        for path in out.glob("*.json"):
            json.loads(path.read_text())
        for path in out.glob("*.html"):
            assert path.read_text().rstrip().endswith("</html>")
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    assert {path.suffix for path in out.iterdir()} <= {".tflite", ".json", ".html", ".png"}
