"""Calls of the code in `on_board`: sent with its request on the command line, run by the board's Python, answered by lines of JSON."""

import base64
import json
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from edge_runtime.boards.on_board.files import REPLY
from edge_runtime.boards.ssh import Connection, exit_error
from edge_runtime.errors import BoardError

Reply = dict[str, Any]
_MODULES = ("files", "processes", "environments", "models", "jobs", "main")  # each after those that it imports
_PACKAGE = "edge_runtime.boards.on_board"
_BLOCK = 2**16
# Without single quotes or other signs that shells of other families than sh read differently within them; the rest is base64.
_BOOT = (
    "import sys,types,json,zlib,base64;"
    'sys.version_info>=(3,11) or sys.exit("needs Python 3.11 or newer, there is %d.%d"%sys.version_info[:2]);'
    "package,action,request,sources=json.loads(zlib.decompress(base64.b64decode(sys.argv[1])));"
    "modules=sys.modules;"
    '[exec(compile(source,name,"exec"),modules.setdefault(name,types.ModuleType(name)).__dict__) for name,source in sources];'
    'modules[package+".main"].main(action,request)'
)


@cache
def _sources() -> list[tuple[str, str]]:
    folder = Path(__file__).parent / "on_board"
    return [(_PACKAGE, ""), *((f"{_PACKAGE}.{name}", (folder / f"{name}.py").read_text("utf-8")) for name in _MODULES)]


def command_of(action: str, request: Reply) -> list[str]:
    """The command line that runs an action on a board."""
    content = json.dumps([_PACKAGE, action, request, _sources()]).encode()
    return ["python3", "-I", "-B", "-c", _BOOT, base64.b64encode(zlib.compress(content, 9)).decode()]


class Call:
    """A running action. Its input stays open: on the board, the end of input means that the laptop is gone."""

    def __init__(self, host: str, process: "subprocess.Popen[bytes]", stderr: IO[bytes]) -> None:
        self._host, self._process, self._stderr = host, process, stderr

    @property
    def output(self) -> IO[bytes]:
        """The action's standard output."""
        assert self._process.stdout is not None
        return self._process.stdout

    def replies(self) -> Iterator[Reply]:
        """All replies until the action's end.

        Raises:
            BoardError: the board refused, or the connection failed.
        """
        for line in self.output:
            if line.startswith(REPLY.encode()):
                reply = _printable(json.loads(line[1:]))
                if "error" in reply:
                    raise BoardError(f"{self._host}: {reply['error'].replace('HOST', self._host)}", reply["cause"])
                yield reply
        self.check()

    def send(self, content: bytes) -> None:
        """Write to the action's standard input; a connection that ended is told by the replies."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(content)
            self._process.stdin.flush()

    def end_input(self) -> None:
        """Close the action's standard input."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def check(self) -> None:
        """Wait for the end.

        Raises:
            BoardError: the exit code is not 0.
        """
        if code := self._process.wait():
            self._stderr.seek(0)
            raise exit_error(self._host, code, self._stderr.read().decode(errors="replace"))


def _printable(value: Any) -> Any:
    """The same JSON, whose texts may be shown on a terminal, whatever a board sends."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else " " for letter in value)
    if isinstance(value, list):
        return [_printable(part) for part in value]
    return {key: _printable(part) for key, part in value.items()} if isinstance(value, dict) else value


@contextmanager
def calling(connection: Connection, action: str, request: Reply, timeout: float) -> Iterator[Call]:
    """Run an action on a board; it is ended with the block, and after `timeout` seconds.

    Raises:
        BoardError: the time is over.
    """
    with tempfile.TemporaryFile() as stderr:
        process = connection.start(command_of(action, request), stderr)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield Call(connection.host, process, stderr)
        except BoardError as error:
            if late.is_set():
                raise BoardError(
                    f"{connection.host}: no end after {timeout:g} seconds; give a longer --timeout", "timeout"
                ) from error
            raise
        finally:
            timer.cancel()
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(OSError):
            stream.close()


def ask(connection: Connection, action: str, request: Reply, timeout: float) -> Reply:
    """The last reply of an action that takes no input.

    Raises:
        BoardError: the board cannot be reached, or refused.
    """
    with calling(connection, action, request, timeout) as call:
        found = list(call.replies())
    if not found:
        raise BoardError(f"{connection.host}: it gave no reply; try: ssh {connection.host}", "broken")
    return found[-1]


def send_files(call: Call, files: list[Path], progress: Callable[[str], None]) -> list[Reply]:
    """Send files in the order in which the board asks for them, from where it asks; return the other replies."""
    found, waiting = [], list(files)
    for reply in call.replies():
        if "stage" in reply:
            progress(reply["stage"])
        elif "need" in reply:
            _send_from(call, waiting[0], reply["need"])
        elif "whole" in reply:
            waiting.pop(0)
        else:
            found.append(reply)
    return found


def _send_from(call: Call, path: Path, offset: int) -> None:
    with path.open("rb") as stream:
        stream.seek(offset)
        while block := stream.read(_BLOCK):
            call.send(block)
