"""What happens, as JSON lines: a line a request, and a line for each event of a model or of the server itself."""

import json
import logging
import sys
import time
import traceback
from typing import TextIO

_quote = json.JSONEncoder().encode


class Log:
    """Writes JSON lines. A reader that is gone, or a full disk, never stops the server: then nothing more is written."""

    def __init__(self, stream: TextIO | None = None, *, requests: bool = True) -> None:
        """Log to `stream`, stdout if none is given; without `requests` events alone."""
        self._stream: TextIO | None = stream or sys.stdout
        self.requests = requests

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
        if self._stream is None:
            return
        try:
            self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError):  # a closed pipe or stream
            self._stream = None


class Forwarder(logging.Handler):
    """Brings what the HTTP library logs into our log; a traceback stays here and never goes to a client."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as an event."""
        self._log.event(record.levelname.lower(), text=self.format(record))
