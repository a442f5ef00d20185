"""Processes on a board that end with the laptop that started them, and the command `digits` there."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from edge_runtime.boards.on_board.files import LaptopGone, Refused, digits_home

_GRACE_SECONDS = 3
_TAIL = 300


def find_digits(given: str) -> str:
    """The program `digits`: the one that is named, else that of the environment that setup made.

    Raises:
        Refused: there is none.
    """
    if given:
        found = shutil.which(Path(given).expanduser())
        if not found:
            raise Refused("no-digits", f"there is no program {given}; correct --remote-command, or leave it out")
        return found
    own = digits_home() / "current" / "bin" / "digits"
    if not own.exists():
        raise Refused("no-digits", "digits is not installed there; run: digits boards setup HOST, or give --remote-command PATH")
    return str(own)


def run(command: list[str], *, watch_input: bool = True, **options: Any) -> int:
    """Run a command, and return its exit code. If the connection to the laptop ends, so does the command.

    Waits without timers, so that nothing wakes up beside what is measured.

    Args:
        command: program and arguments; no shell sees them.
        watch_input: standard input carries nothing, so its end is the laptop's; else only the closed output is.
        options: for `subprocess.Popen`.

    Raises:
        LaptopGone: the connection ended; the command has been stopped.
        Refused: the program cannot be run.
    """
    options = {"stdin": subprocess.DEVNULL, **options}
    try:
        child = subprocess.Popen(command, start_new_session=True, **options)
    except OSError as error:
        raise Refused(
            "broken", f"{command[0]} cannot be run there ({error.strerror or error}); run digits boards setup again"
        ) from error
    ended, end = os.pipe()

    def wait() -> None:
        child.wait()
        os.close(end)

    threading.Thread(target=wait, daemon=True).start()
    try:
        _until_end(ended, watch_input)
    except BaseException:
        _stop(child)
        raise
    finally:
        os.close(ended)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _until_end(ended: int, watch_input: bool) -> None:
    poller = select.poll()
    poller.register(ended, select.POLLIN)
    poller.register(1, 0)  # errors and hang-ups are always reported
    if watch_input:
        poller.register(0, select.POLLIN)
    while True:
        ready = [handle for handle, _ in poller.poll()]
        if ended in ready:
            return
        if 0 not in ready or not os.read(0, 4096):
            raise LaptopGone


def _stop(child: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)


def run_quietly(command: list[str], **options: Any) -> tuple[int, str, str]:
    """Run a command as `run` does; return exit code, output, and the last line of stderr."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = run(command, stdout=out, stderr=err, **options)
        return code, _text(out), _last_line(_text(err))


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "".join(letter if letter.isprintable() else " " for letter in lines[-1][:_TAIL]) if lines else ""


def without(path: Path) -> None:
    """Remove a folder and all that is in it, if it exists."""
    shutil.rmtree(path, ignore_errors=True)
