"""Log as JSON lines: one for each request, and for each event of a model or of the server."""

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
    """Writes JSON lines and never blocks, since requests are answered in the same thread.

    A line that cannot be written at once, because the pipe or the disk is full, is dropped; the next line that can be written is preceded
    by the number of dropped ones. Once the reader of a pipe is gone, nothing more is written.
    """

    def __init__(self, stream: TextIO | None = None, *, requests: bool = True) -> None:
        """Log to `stream`, by default stdout; only events if `requests` is false."""
        self._stream: TextIO | None = stream or sys.stdout
        self.requests = requests
        self._dropped = 0
        self._poll = _poll_of(self._stream)

    def request(self, *, client: str, method: str, path: str, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        """Log an answered request. Only what a client chooses is quoted: json.dumps of it all takes twice as long."""
        if self.requests:
            self._write(
                f'{{"time": {time.time():.6f}, "event": "request", "client": "{client}", "method": {_quote(method)}, '
                f'"path": {_quote(path)}, "status": {status}, "milliseconds": {seconds * 1e3:.3f}, '
                f'"bytes_in": {bytes_in}, "bytes_out": {bytes_out}}}\n'
            )

    def event(self, kind: str, **facts: object) -> None:
        """Log another event, such as a reload."""
        self._write(json.dumps({"time": round(time.time(), 6), "event": kind, **facts}) + "\n")

    def failure(self, where: str) -> None:
        """Log the exception being handled, with its traceback."""
        self.event("error", text=f"{where}\n{traceback.format_exc()}")

    def _write(self, line: str) -> None:
        try:
            if self._dropped and self._put(f'{{"time": {time.time():.6f}, "event": "left out", "lines": {self._dropped}}}\n'):
                self._dropped = 0
            self._dropped += self._dropped > 0 or not self._put(line)
        except (BrokenPipeError, ValueError):  # the pipe or stream is closed
            self._stream = None

    def _put(self, line: str) -> bool:
        """Write a line if the stream takes it now; return whether it did, true without a stream."""
        if self._stream is None:
            return True
        if self._poll is None:
            self._stream.write(line)
            self._stream.flush()
            return True
        content = line.encode()
        while content:
            # A ready pipe takes PIPE_BUF bytes without blocking (poll(2)); the rest of a longer line may be lost.
            if not self._poll.poll(0):
                return False
            try:
                content = content[os.write(self._stream.fileno(), content[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                raise
            except OSError:  # the disk is full
                return False
        return True


def _poll_of(stream: TextIO | None) -> "select.poll | None":
    """A poll object that says whether a stream can be written to; None for one in memory."""
    if stream is None:
        return None
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return None
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return poll


class UvicornLogHandler(logging.Handler):
    """Writes uvicorn's warnings and errors into the JSON log."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as an event."""
        self._log.event(record.levelname.lower(), text=self.format(record))
