"""What happens, as JSON lines: a line a request, and a line for each event of a model or of the server itself."""

import json
import logging
import os
import select
import sys
import time
import traceback
from typing import TextIO

_quote = json.JSONEncoder().encode


class JsonLog:
    """Writes JSON lines. Whoever reads them never stops the server, which answers requests in the same thread.

    A line that cannot be written now, since a reader of the pipe has fallen behind or a disk is full, is left out; the next one that can be
    is preceded by how many were. After a reader that is gone nothing more is written.
    """

    def __init__(self, stream: TextIO | None = None, *, requests: bool = True) -> None:
        """JsonLog to `stream`, stdout if none is given; without `requests` events alone."""
        self._stream: TextIO | None = stream or sys.stdout
        self.requests = requests
        self._left_out = 0
        self._space = _space_of(self._stream)

    def request(self, *, client: str, method: str, path: str, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """A request that was answered. Written by hand, but for what a client chooses: json.dumps takes twice as long."""
        if self.requests:
            self._write(
                f'{{"time": {time.time():.6f}, "event": "request", "client": "{client}", "method": {_quote(method)}, '
                f'"path": {_quote(path)}, "status": {status}, "milliseconds": {seconds * 1e3:.3f}, '
                f'"bytes_in": {bytes_in}, "bytes_out": {bytes_out}}}\n'
            )

    def event(self, kind: str, **facts: object) -> None:
        """Something else worth knowing, such as a reload."""
        self._write(json.dumps({"time": round(time.time(), 6), "event": kind, **facts}) + "\n")

    def failure(self, where: str) -> None:
        """The exception that is being handled, with its traceback."""
        self.event("error", text=f"{where}\n{traceback.format_exc()}")

    def _write(self, line: str) -> None:
        try:
            if self._left_out and self._put(f'{{"time": {time.time():.6f}, "event": "left out", "lines": {self._left_out}}}\n'):
                self._left_out = 0
            self._left_out += self._left_out > 0 or not self._put(line)
        except (BrokenPipeError, ValueError):  # a closed pipe or stream
            self._stream = None

    def _put(self, line: str) -> bool:
        """Whether a line was written, to a stream that is there; to none it is as good as written."""
        if self._stream is None:
            return True
        if self._space is None:
            self._stream.write(line)
            self._stream.flush()
            return True
        content = line.encode()
        while content:
            # A pipe that is ready takes so much without waiting (poll(2), PIPE_BUF); the rest of a longer line may be lost.
            if not self._space.poll(0):
                return False
            try:
                content = content[os.write(self._stream.fileno(), content[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                raise
            except OSError:  # a full disk
                return False
        return True


def _space_of(stream: TextIO | None) -> "select.poll | None":
    """What tells whether a stream takes more without waiting; None for one that is in memory alone."""
    if stream is None:
        return None
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return None
    space = select.poll()
    space.register(number, select.POLLOUT)
    return space


class UvicornLogHandler(logging.Handler):
    """Brings what the HTTP library logs into our log; a traceback stays here and never goes to a client."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as an event."""
        self._log.event(record.levelname.lower(), text=self.format(record))
