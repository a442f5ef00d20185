"""`--on HOST`: a command of this project, run on a board with its files, its output shown here and what it writes brought back."""

import glob
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from edge_runtime.boards.calls import Reply, calling, command_of
from edge_runtime.boards.hosts import Board
from edge_runtime.boards.installation import this_laptop
from edge_runtime.boards.on_board.files import REPLY
from edge_runtime.boards.ssh import SSH_FAILED, Connection, exit_error
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import BoardError

COPY_SECONDS = 3600.0
_BLOCK = 2**16

Write = Callable[[bytes], object]


@frozen_dataclass
class RemoteCommand:
    """A command line for a board.

    words: of digits. inputs: files here, by their path in the job's folder there. outputs: paths here, likewise. existing: outputs that are
    here already and may not be replaced; empty files of these names make the command refuse there as it would here. measures: whether it
    has to be alone on the board. reads_input: whether standard input belongs to it.
    """

    words: tuple[str, ...]
    inputs: Mapping[str, Path]
    outputs: Mapping[str, Path]
    existing: tuple[str, ...]
    measures: bool
    reads_input: bool


def path_inside(text: str) -> str:
    """Where a path is in a job's folder: a path below the current folder is the same there, so that output names it alike."""
    path = PurePosixPath(text)
    return os.path.normpath(Path.cwd() / text).lstrip("/") if path.is_absolute() or ".." in path.parts else text


def place_input(text: str, inputs: dict[str, Path]) -> str:
    """Add the files that a value names to `inputs`; return the value for the board.

    A value is a file, a folder (its files), a pattern, FILE:ARRAY or NAME=FILE. What does not exist here is left as it is: a shipped
    model's name, or a path of the board.
    """
    path = Path(text)
    if path.is_file():
        inputs[os.path.normpath(path_inside(text))] = path
    elif path.is_dir():
        inputs.update({os.path.normpath(path_inside(str(file))): file for file in sorted(path.iterdir()) if file.is_file()})
    elif found := [Path(match) for match in sorted(glob.glob(text, recursive=True)) if Path(match).is_file()]:  # noqa: PTH207  # of any root
        inputs.update({os.path.normpath(path_inside(str(file))): file for file in found})
    else:
        return _place_part(text, inputs)
    return path_inside(text)


def _place_part(text: str, inputs: dict[str, Path]) -> str:
    for before, sign, after, file in ((*text.partition("="), 2), (*text.rpartition(":"), 0)):
        parts = [before, sign, after]
        if sign and Path(parts[file]).is_file():
            parts[file] = place_input(parts[file], inputs)
            return "".join(parts)
    return text


def existing_files(inside: str, path: Path) -> list[str]:
    """Names in the job's folder of an output that is here already: the file, or a folder's files."""
    if path.is_dir():
        return [f"{inside}/{file.name}" for file in sorted(path.iterdir()) if file.is_file()]
    return [inside] if path.exists() else []


def local_path(path: Path, board: Board, alone: bool) -> Path:
    """Where an output is written here: as it was given, or for several boards in a folder of the board's name."""
    return path if alone else path.parent / re.sub(r"[^\w.@-]+", "-", board.host.removeprefix("ssh://")) / path.name


def run_on(board: Board, command: RemoteCommand, out: Write, err: Write) -> int:
    """Run a command on a board, and return its exit code.

    Args:
        board: the board.
        command: the command; it runs in a folder of its own there, which is removed.
        out: takes what it prints, line by line.
        err: takes its stderr.

    Raises:
        BoardError: the board cannot be reached, has no digits, or another measurement is running there.
    """
    job = uuid.uuid4().hex
    with _connected(board.host, shared=bool(command.inputs or command.outputs)) as connection:
        if command.inputs or command.existing:
            _send_inputs(connection, job, command)
        code = _run(connection, job, board, command, out, err)
        if command.outputs:
            _collect(connection, job, command)
    return code


@contextmanager
def _connected(host: str, *, shared: bool) -> Iterator[Connection]:
    connection = Connection(host)
    if shared:
        with connection:
            yield connection
    else:
        yield connection


def _send_inputs(connection: Connection, job: str, command: RemoteCommand) -> None:
    with calling(connection, "receive_inputs", {"job": job}, COPY_SECONDS) as call:
        with suppress(BrokenPipeError), tarfile.open(fileobj=_Sender(call.send), mode="w|", dereference=True) as archive:  # type: ignore[call-overload]
            for inside, path in command.inputs.items():
                archive.add(path, arcname=inside)
            for inside in command.existing:
                archive.addfile(tarfile.TarInfo(inside))
        call.end_input()
        list(call.replies())


class _Sender:
    """A file that passes on what is written."""

    def __init__(self, write: Write) -> None:
        self.write = write


def _run(connection: Connection, job: str, board: Board, command: RemoteCommand, out: Write, err: Write) -> int:
    request = {
        "job": job,
        "digits": board.digits,
        "words": list(command.words),
        "input": command.reads_input,
        "measures": command.measures,
        "keep": bool(command.outputs),
        "who": f"{' '.join(command.words[:1])} by {this_laptop()}",
    }
    process = connection.start(command_of("run_command", request), subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    shown = _Stderr(process.stderr, err)
    if command.reads_input:
        threading.Thread(target=_copy_input, args=(process.stdin,), daemon=True).start()
    try:
        refusal: Reply = {}
        for line in process.stdout:
            if line.startswith(REPLY.encode()):
                refusal = json.loads(line[1:])
                shown.start(show="started" in refusal)
            else:
                out(line)
        code = process.wait()
        tail = shown.finish()
    finally:
        process.kill()
        process.wait()
        shown.finish()
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                stream.close()
    if "error" in refusal:
        raise BoardError(f"{board.host}: {refusal['error'].replace('HOST', board.host)}", refusal["cause"])
    if code == SSH_FAILED or "started" not in refusal:
        raise exit_error(board.host, code, tail)
    return code


class _Stderr:
    """Shows a command's stderr once it has started; before that, what comes is ssh's, for an error of one line."""

    def __init__(self, stream: IO[bytes], write: Write) -> None:
        self._stream, self._write = stream, write
        self._begin, self._show, self._tail = threading.Event(), False, b""
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def start(self, *, show: bool) -> None:
        """The command has started, or was refused."""
        self._show = show
        self._begin.set()

    def finish(self) -> str:
        """Wait for its end; returns the last of it."""
        self._begin.set()
        self._thread.join()
        return self._tail.decode(errors="replace")

    def _copy(self) -> None:
        self._begin.wait()
        with suppress(ValueError, OSError):
            while block := os.read(self._stream.fileno(), _BLOCK):
                self._tail = (self._tail + block)[-_BLOCK:]
                if self._show:
                    self._write(block)


def _copy_input(target: IO[bytes]) -> None:
    with suppress(OSError, ValueError):
        while block := sys.stdin.buffer.read1(_BLOCK):  # type: ignore[union-attr]
            target.write(block)
            target.flush()
        target.close()


def _collect(connection: Connection, job: str, command: RemoteCommand) -> None:
    request = {"job": job, "paths": [os.path.normpath(inside) for inside in command.outputs]}
    with calling(connection, "collect", request, COPY_SECONDS) as call:
        content = call.output.read()
        call.check()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            target = _target(member.name, command)
            stream = archive.extractfile(member) if member.isfile() else None
            if target and stream:
                write_file(target, stream.read(), force=True)


def _target(name: str, command: RemoteCommand) -> Path | None:
    """Where a file that came back is written; None for what is not of an output, or was here before."""
    if ".." in PurePosixPath(name).parts or name in command.existing:
        return None
    for inside, path in command.outputs.items():
        rest = PurePosixPath(name)
        if rest.is_relative_to(os.path.normpath(inside)):
            return path / rest.relative_to(os.path.normpath(inside))
    return None


def worst_code(codes: Sequence[int]) -> int:
    """The exit code for several boards: theirs if it is the same on all of them, else 3, or 0 where none failed."""
    found = set(codes)
    return found.pop() if len(found) == 1 else 3


def json_with_host(host: str, line: bytes) -> bytes:
    """A line of JSON with the board's name in it; another line as it is, after the name."""
    with suppress(ValueError):
        found: Any = json.loads(line)
        if isinstance(found, dict):
            return json.dumps({"host": host, **found}).encode() + b"\n"
    return f"{host}: ".encode() + line
