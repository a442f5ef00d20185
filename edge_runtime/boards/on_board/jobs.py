"""Commands that a laptop runs on a board: their files come and go as tar streams, and measurements take turns."""

import os
import sys
import tarfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge_runtime.boards.on_board.files import digits_home, locked, make_home, reply
from edge_runtime.boards.on_board.processes import find_digits, run, without

_STALE_SECONDS = 86_400
_SAFE: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Debian Bookworm's Python lacks it


def _folder(name: str) -> Path:
    return digits_home() / "jobs" / name


def receive_inputs(request: dict[str, Any]) -> None:
    """Unpack the tar stream of a job's inputs. Request: job, the name of its folder."""
    make_home()
    _remove_stale()
    folder = _folder(request["job"])
    folder.mkdir(parents=True)
    try:
        with os.fdopen(0, "rb", closefd=False) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            archive.extractall(folder, **_SAFE)  # noqa: S202  # made by our own laptop
    except BaseException:
        without(folder)
        raise
    reply(received=True)


def _remove_stale() -> None:
    """Folders of jobs whose laptop died between two calls."""
    for folder in (digits_home() / "jobs").glob("*"):
        if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
            without(folder)


def run_command(request: dict[str, Any]) -> None:
    """Run `digits` with its output as this process's own, and exit with its code.

    Request: job; digits; words; input: whether standard input belongs to the command; measures: whether it has to be alone; keep: whether
    the job's folder is collected afterwards; who.

    Raises:
        Refused: another measurement is running, or there is no digits.
        LaptopGone: the connection ended; the command has been stopped.
    """
    command = [find_digits(request["digits"]), *request["words"]]
    make_home()
    folder, keep = _folder(request["job"]), False
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            # What measures inherits the lock, so that it lasts as long.
            locks = [stack.enter_context(locked("measuring", request["who"]))] if request["measures"] else []
            reply(started=True)
            given = {"stdin": None} if request["input"] else {}
            code = run(command, watch_input=not request["input"], cwd=folder, pass_fds=locks, **given)
        keep = request["keep"]
    finally:
        if not keep:
            _remove(folder)
    sys.exit(code)


def _remove(folder: Path) -> None:
    without(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def collect(request: dict[str, Any]) -> None:
    """Write a tar stream of a job's outputs to standard output, then remove its folder. Request: job; paths, relative to the folder."""
    folder = _folder(request["job"])
    try:
        with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
            for path in request["paths"]:
                if (folder / path).exists():
                    archive.add(folder / path, arcname=path)
        sys.stdout.flush()
    finally:
        _remove(folder)
