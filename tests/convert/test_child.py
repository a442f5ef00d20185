"""Work in a child process: results, steps and errors come back; a child that dies is an error."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from convert.child import in_child
from edge_runtime.errors import DigitsError, InputError
from tests.conftest import ROOT

Step = Callable[[str], object]


def add(left: int, right: int, *, step: Step) -> int:
    """Add, and report a step."""
    step(f"adding {left} and {right}")
    return left + right


def refuse(*, step: Step) -> None:
    """Raise a DigitsError."""
    raise InputError("no such thing")


def die(number: int, *, step: Step) -> None:
    """Die by a signal, as by an abort inside a C++ library."""
    step("converting")
    os.kill(os.getpid(), number)


def leave(*, step: Step) -> None:
    """Exit without a message."""
    os._exit(7)


def test_results_and_steps_come_back() -> None:
    """The child adds two numbers and reports a step."""
    steps: list[str] = []
    assert in_child(add, 2, right=3, step=steps.append) == 5
    assert steps == ["adding 2 and 3"]


def test_an_error_of_ours_is_raised_here() -> None:
    """The error has its class, which determines the exit code."""
    with pytest.raises(InputError, match="no such thing"):
        in_child(refuse, step=print)


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_a_child_that_is_killed_is_an_error_message(number: signal.Signals) -> None:
    """The error names the signal and the step."""
    with pytest.raises(DigitsError, match=rf"died \({number.name}\) at this step: converting"):
        in_child(die, int(number), step=lambda _: None)


def test_a_child_that_leaves_is_an_error_message() -> None:
    """The error names the exit code."""
    with pytest.raises(DigitsError, match="exit code 7"):
        in_child(leave, step=lambda _: None)


# Runs `digits`; all of its processes are killed in the middle of a file that it writes, of which the environment says the number.
_KILLED = """
import os, signal
from pathlib import Path

def write_bytes(self, content):
    with self.open("wb") as file:
        file.write(content[: len(content) // 2])
        file.flush()
        with open(os.environ["WRITTEN"], "ab") as written:
            written.write(b".")
            number = written.tell()
        if number == int(os.environ["KILLED_AT"]):
            os.killpg(0, signal.SIGKILL)
        file.write(content[len(content) // 2 :])

Path.write_bytes = write_bytes
if __name__ == "__main__":
    from edge_runtime.cli import start
    start()
"""


@pytest.mark.slow
def test_killing_a_conversion_leaves_no_half_file(trained_cnn: Path, data_file: Path, tmp_path: Path) -> None:
    """Killed in the first, a later and the last file: named files can be read, partial ones are hidden; the command can be repeated."""
    from edge_runtime.model.model_file import read_model_file

    out, script, written = tmp_path / "out", tmp_path / "killed.py", tmp_path / "written"
    script.write_text(_KILLED)
    command = [sys.executable, str(script), "convert", str(trained_cnn), "--data", str(data_file), "--out", str(out)]
    command += ["--force", "--max-drop", "100", "--recipe", "int8"]

    def run(killed_at: int) -> int:
        written.write_bytes(b"")
        environment = {**os.environ, "WRITTEN": str(written), "KILLED_AT": str(killed_at)}
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, check=False, start_new_session=True
        ).returncode

    assert run(0) == 0
    names, count = {path.name for path in out.iterdir()}, written.stat().st_size
    assert {path.suffix for path in out.iterdir()} == {".tflite", ".json", ".html", ".png"}
    assert count == len(names)
    for number in (1, count // 2 + 1, count):
        assert run(number) == -signal.SIGKILL
        assert written.stat().st_size == number
        assert {path.name for path in out.glob("[!.]*")} == names
        for path in out.glob("*.tflite"):
            read_model_file(path)
        for path in out.glob("*.json"):
            json.loads(path.read_text())
        for path in out.glob("*.html"):
            assert path.read_text().rstrip().endswith("</html>")
    assert run(0) == 0
