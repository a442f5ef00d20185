"""A server of ours in a child process, and load on it from one thread: for measuring, and for the tests that need many requests.

Loopback alone, and every run has an end. The client does as little as it can, since it shares the cores with the server: bytes that were
made beforehand go out, and of an answer the status, the length and the body are looked at.
"""

import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from edge_runtime.common.child_process import child_environment, module_command
from tools.support.waiting import PATIENCE


@dataclass(frozen=True)
class Running:
    """A server that is ready: its process, and where it listens."""

    process: "subprocess.Popen[str]"
    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address as a URL without a slash at the end."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def served(*words: object, environment: dict[str, str] | None = None) -> Iterator[Running]:
    """`digits serve` with those words at a free port of 127.0.0.1, until the end of the block.

    Raises:
        RuntimeError: it ended before it was ready; the message is what it printed.
    """
    command = module_command("edge_runtime.cli", "serve", "--port", "0", *map(str, words))
    with started(command, environment) as running:
        yield running


@contextmanager
def started(command: Sequence[str], environment: dict[str, str] | None = None) -> Iterator[Running]:
    """A server whose command says on stderr, as the last word of a line, the URL that it is ready at."""
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**child_environment(), **(environment or {})},
    ) as process:
        try:
            yield _wait_until_ready(process)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(process: "subprocess.Popen[str]") -> Running:
    assert process.stderr
    printed = []
    for line in process.stderr:
        printed.append(line)
        where = urlsplit(line.split()[-1]) if line.split() else urlsplit("")
        if where.scheme == "http" and where.hostname and where.port:
            return Running(process, where.hostname, where.port)
    raise RuntimeError("".join(printed) or "the server ended without a word")


def http_request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request; headers by name with _ for -."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Outcome:
    """What became of requests: nanoseconds of each that was answered with 200, and how many were not."""

    times: list[int] = field(default_factory=list)
    seconds: float = 0.0
    failed: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times) / self.seconds


class _Connection:
    """One connection of the client, with at most one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self.began = 0

    def ask(self, request: bytes, began: int) -> None:
        self.began = began
        self.socket.sendall(request)

    def read(self) -> tuple[int, bytes] | None:
        """Status and body once the whole answer is there."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("the server closed the connection")
        self._received += part
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _content_length(head):
            return None
        self._received = b""
        return int(head[9:12]), body


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0] or 0)


def closed_loop(
    server: Running,
    requests: Sequence[bytes],
    *,
    seconds: float = float("inf"),
    count: int = sys.maxsize,
    connections: int = 8,
    check: Callable[[int, int, bytes], bool] = lambda number, status, body: status == 200,
) -> Outcome:
    """As many requests as the server answers: each connection asks again once it has its answer.

    Args:
        server: who is asked.
        requests: sent one after the other, over and over.
        seconds: when to send no more.
        count: how many to send at most.
        connections: how many requests are under way at once.
        check: told a request's number in `requests`, the status and the body; false counts as failed.
    """
    clock, outcome, selector = time.perf_counter_ns, Outcome(), selectors.DefaultSelector()
    begin, sent, asked = clock(), 0, {}
    last = begin + int(min(seconds, 86_400) * 1e9)
    for _ in range(min(connections, count)):
        connection = _registered(server, selector)
        connection.ask(requests[sent % len(requests)], clock())
        asked[connection] = sent % len(requests)
        sent += 1
    while selector.get_map():
        for key, _ in _ready(selector):
            connection = key.data
            answer = connection.read()
            if answer is None:
                continue
            now = clock()
            if check(asked[connection], *answer):
                outcome.times.append(now - connection.began)
            else:
                outcome.failed += 1
            if now < last and sent < count:
                asked[connection] = sent % len(requests)
                connection.ask(requests[asked[connection]], clock())
                sent += 1
            else:
                selector.unregister(connection.socket)
                connection.socket.close()
    outcome.seconds = (clock() - begin) / 1e9
    return outcome


def open_loop(server: Running, request: bytes, *, rate: float, seconds: float, connections: int = 32) -> Outcome:
    """Requests at a steady rate, whether or not earlier ones are answered.

    Times count from the moment that a request was due, not from when a connection was free for it: a server that stalls is charged with all
    the requests that wait meanwhile.
    """
    # select(2) waits for microseconds; epoll would wake up to a millisecond late, and the server would be charged with it.
    clock, outcome, selector = time.perf_counter_ns, Outcome(), selectors.SelectSelector()
    free: list[_Connection] = []
    begin, step, total, sent = clock(), 1e9 / rate, int(rate * seconds), 0
    while len(outcome.times) + outcome.failed < total:
        due = begin + int(sent * step)
        while sent < total and due <= clock() and (free or len(selector.get_map()) < connections):
            connection = free.pop() if free else _registered(server, selector)
            connection.ask(request, due)
            sent += 1
            due = begin + int(sent * step)
        may_send = sent < total and (free or len(selector.get_map()) < connections)
        for key, _ in selector.select(max(0, (due - clock()) / 1e9) if may_send else PATIENCE):
            answer = key.data.read()
            if answer is None:
                continue
            free.append(key.data)
            if answer[0] == 200:
                outcome.times.append(clock() - key.data.began)
            else:
                outcome.failed += 1
    outcome.seconds = (clock() - begin) / 1e9
    for connection in free:
        connection.socket.close()
    return outcome


def _registered(server: Running, selector: selectors.BaseSelector) -> _Connection:
    """A new connection that the selector knows. They are made when needed: the server closes one that says nothing for five seconds."""
    connection = _Connection((server.host, server.port))
    selector.register(connection.socket, selectors.EVENT_READ, connection)
    return connection


def _ready(selector: selectors.BaseSelector) -> list[tuple[selectors.SelectorKey, int]]:
    found = selector.select(PATIENCE)
    if not found:
        raise TimeoutError(f"no answer for {PATIENCE} s")
    return found
