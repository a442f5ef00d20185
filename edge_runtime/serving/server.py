"""The uvicorn server, with background tasks, and a shutdown that loses no request."""

import asyncio
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from edge_runtime.serving.http.admission import AdmissionControl
from edge_runtime.serving.http.connection import Connection
from edge_runtime.serving.http.guard import HEADER_BYTES
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.listener import accept_all
from edge_runtime.serving.http.log import JsonLog, UvicornLogHandler
from edge_runtime.serving.http.messages import App
from edge_runtime.serving.models.repository import ModelRepository
from edge_runtime.serving.systemd import sd_notify
from edge_runtime.serving.terminal import Terminal

_BACKLOG = 128
# Python's defaults. `digits` raises them for short commands; here a late, long collection would delay a request.
_GC_THRESHOLDS = (700, 10, 10)
_LAST_REQUESTS_SECONDS = 1.0  # during which clients may still send requests on open connections after SIGTERM


class Server(uvicorn.Server):
    """uvicorn's server, which also watches models and connections, and drains before it stops."""

    def __init__(
        self,
        config: uvicorn.Config,
        admission: AdmissionControl,
        models: ModelRepository,
        limits: Limits,
        log: JsonLog,
        tasks: list["Task"],
        terminal: Terminal,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._limits = limits
        self._terminal = terminal
        self._admission = admission
        self._models = models
        self._log = log
        self._background = tasks
        self._on_ready = on_ready
        self._running: set[asyncio.Task[None]] = set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM, SIGINT and the end of its terminal stop the server, which then exits with 0; SIGHUP else reloads changed model files."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        yield

    def _hang_up(self) -> None:
        if self._terminal.is_gone():
            self.handle_exit(signal.SIGHUP, None)
        else:
            self._start(self._logged(self._models.refresh))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and start the background tasks."""
        gc.freeze()  # imported objects stay for good, so collections during requests need not visit them
        gc.set_threshold(*_GC_THRESHOLDS)
        await super().startup([])  # uvicorn would wait a minute for a TLS handshake
        for listener in sockets or ():
            self.servers.append(
                await asyncio.get_running_loop().create_server(self._new_connection, sock=listener, **self._options())
            )
        for task in self._background:
            self._start(self._repeat(task))
        sd_notify("READY=1")
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; checks the connections' deadlines once a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                assert isinstance(connection, Connection)
                connection.check_deadlines(now)
            if self._models.alive:
                sd_notify("WATCHDOG=1")
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer all accepted connections, then stop.

        First the listener's queue is accepted and the listener closed. From then on each response ends its connection; an idle
        connection gets a second in which a request already on its way can arrive.
        """
        loop = asyncio.get_running_loop()
        sd_notify("STOPPING=1")
        accepted = [connection for listener in sockets or () for connection in accept_all(listener, loop)]
        for server in self.servers:
            server.close()
        self._models.stopping = self._admission.draining = True
        self._log.event("stopping", connections=len(self.server_state.connections) + len(accepted))
        await asyncio.gather(*[self._take(connection) for connection in accepted])
        deadline = loop.time() + _LAST_REQUESTS_SECONDS
        while self.server_state.connections and loop.time() < deadline and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)
        for task in self._running:
            task.cancel()
        self._log.event("stopped", requests=self.server_state.total_requests)

    def _options(self) -> dict[str, Any]:
        return {"ssl": self.config.ssl, "ssl_handshake_timeout": self._limits.header_seconds} if self.config.ssl else {}

    async def _take(self, connection: socket.socket) -> None:
        with suppress(OSError):  # no TLS handshake
            await asyncio.get_running_loop().connect_accepted_socket(self._new_connection, connection, **self._options())

    def _new_connection(self) -> Connection:
        kind: Any = self.config.http_protocol_class
        connection: Connection = kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        return connection

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _repeat(self, task: "Task") -> None:
        while True:
            await asyncio.sleep(task.seconds)
            await self._logged(task.work)

    async def _logged(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # one failure must not end a periodic task
            self._log.failure(getattr(work, "__name__", "background"))


class Task:
    """A periodic background task."""

    def __init__(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        self.seconds = seconds
        self.work = work


def run(
    app: App,
    listeners: list[socket.socket],
    tls: ssl.SSLContext | None,
    terminal: Terminal,
    admission: AdmissionControl,
    models: ModelRepository,
    limits: Limits,
    log: JsonLog,
    tasks: list[Task],
    on_ready: Callable[[], None],
    on_cut: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, or until the terminal is closed."""
    logger = logging.getLogger("uvicorn.error")
    logger.handlers, logger.propagate = [UvicornLogHandler(log)], False
    config = uvicorn.Config(
        app,
        http=type("BoundedConnection", (Connection,), {"limits": limits, "on_cut": staticmethod(on_cut)}),
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
        ssl_context_factory=(lambda *_: tls) if tls else None,
    )
    Server(config, admission, models, limits, log, tasks, terminal, on_ready).run(listeners)
