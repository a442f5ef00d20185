"""The server: connections with deadlines, a stop that loses no request. The only module of this package that imports uvicorn and h11."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge_runtime.serving.guard import HEADER_BYTES, App, Guard
from edge_runtime.serving.limits import Limits
from edge_runtime.serving.listening import accept_all
from edge_runtime.serving.log import Forwarder, Log
from edge_runtime.serving.models import Models
from edge_runtime.serving.notify import notify

_BACKLOG = 128
_LAST_REQUESTS_SECONDS = 1.0  # in which a client may still use a connection that is open when the server is told to stop
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Gathered(asyncio.Transport):
    """A transport whose writes of one round of the event loop go out together: an answer's head and body in one system call."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    def write(self, data: Any) -> None:
        """Keep bytes until the end of the round."""
        if data:
            if not self._parts:
                self._loop.call_soon(self.flush)
            self._parts.append(bytes(data))

    def close(self) -> None:
        """Send what was kept, then close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever was kept."""
        self._parts.clear()
        self._transport.abort()

    def flush(self) -> None:
        """Send what was kept."""
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._transport.write(data)


class Connection(H11Protocol):
    """uvicorn's connection, with a deadline for headers and for clients that don't take their answer, which uvicorn's own has not."""

    limits = Limits()
    transport: Gathered
    _header_since: float | None = None
    _stuck_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if there are not too many."""
        super().connection_made(transport)
        self.transport = Gathered(transport, self.loop)
        self._header_since = self.loop.time()
        if len(self.connections) > self.limits.connections:
            self.transport.write(_BUSY)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; the clock runs from the first byte of a header to the request that it makes."""
        if self.transport.is_closing():
            return
        before = self.cycle
        if self._header_since is None and not self._answering:
            self._header_since = self.loop.time()
        super().data_received(data)
        if self.cycle is not before:
            self._header_since = None

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that sends no more after a whole request still gets its answer."""
        self.transport.flush()  # asyncio is about to close the transport underneath
        waiting = self._answering and not self.cycle.more_body
        if waiting:
            self.cycle.keep_alive = False
        return waiting

    def sweep(self, now: float) -> None:
        """End the connection if a deadline has passed; let the guard look at the time if a body is awaited."""
        if self._answering and self.cycle.more_body:
            self.cycle.message_event.set()
        if not self.flow.write_paused and not self.transport.is_closing():
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > self.limits.write_seconds:
            self.transport.abort()
        if self._header_since is not None and now - self._header_since > self.limits.header_seconds and not self._answering:
            self._header_since = None
            if self.conn.our_state is h11.IDLE:
                self.transport.write(_TOO_SLOW)
            self.transport.close()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


class Server(uvicorn.Server):
    """uvicorn's server, which also watches models and connections, and drains before it stops."""

    def __init__(
        self, config: uvicorn.Config, guard: Guard, models: Models, log: Log, tasks: list["Task"], on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._guard = guard
        self._models = models
        self._log = log
        self._background = tasks
        self._on_ready = on_ready
        self._running: set[asyncio.Task[None]] = set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the server, which then exits with 0; SIGHUP looks at the model files."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._start(self._safely(self._models.refresh)))
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and start what runs beside the requests."""
        gc.freeze()  # what was imported stays for good: the collector need not walk through it while requests wait
        await super().startup(sockets)
        for task in self._background:
            self._start(self._every(task))
        notify("READY=1")
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; the connections' deadlines are looked at once a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                assert isinstance(connection, Connection)
                connection.sweep(now)
            if self._models.ready:
                notify("WATCHDOG=1")
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has been accepted, then end.

        First the queue of new connections is emptied and closed. From then on each answer ends its connection, whose client finds no
        other; a connection without a request gets a second in which one that is on its way may arrive.
        """
        loop = asyncio.get_running_loop()
        notify("STOPPING=1")
        accepted = [connection for listener in sockets or () for connection in accept_all(listener, loop)]
        for server in self.servers:
            server.close()
        self._models.stopping = self._guard.closing = True
        self._log.event("stopping", connections=len(self.server_state.connections) + len(accepted))
        for connection in accepted:
            await loop.connect_accepted_socket(self._new_connection, connection)
        deadline = loop.time() + _LAST_REQUESTS_SECONDS
        while self.server_state.connections and loop.time() < deadline and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)
        for task in self._running:
            task.cancel()
        self._log.event("stopped", requests=self.server_state.total_requests)

    def _new_connection(self) -> Connection:
        kind: Any = self.config.http_protocol_class
        made: Connection = kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        return made

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _every(self, task: "Task") -> None:
        while True:
            await asyncio.sleep(task.seconds)
            await self._safely(task.work)

    async def _safely(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # what runs beside the requests must not end for one failure
            self._log.failure(getattr(work, "__name__", "background"))


class Task:
    """Work that is done every so many seconds beside the requests."""

    def __init__(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        self.seconds = seconds
        self.work = work


def run(
    app: App,
    listener: socket.socket,
    guard: Guard,
    models: Models,
    limits: Limits,
    log: Log,
    tasks: list[Task],
    on_ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT."""
    logger = logging.getLogger("uvicorn.error")
    logger.handlers, logger.propagate = [Forwarder(log)], False
    config = uvicorn.Config(
        app,
        http=type("BoundedConnection", (Connection,), {"limits": limits}),
        ws="none",
        lifespan="off",
        interface="asgi3",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=int(limits.stop_seconds),
        h11_max_incomplete_event_size=HEADER_BYTES,
    )
    Server(config, guard, models, log, tasks, on_ready).run([listener])
