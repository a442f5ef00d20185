"""Put the server together from its parts."""

import math
import re
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import field
from pathlib import Path

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import BadArgument
from edge_runtime.serving.app import make_app, with_cors
from edge_runtime.serving.http.access import Access
from edge_runtime.serving.http.admission import AdmissionControl
from edge_runtime.serving.http.guard import Guard
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.listener import address_of, is_local, listen, listen_at_path
from edge_runtime.serving.http.log import JsonLog
from edge_runtime.serving.metrics import Metrics
from edge_runtime.serving.models.pool import WorkerThreads
from edge_runtime.serving.models.repository import ModelRepository
from edge_runtime.serving.page.classify_routes import ClassifyRoutes
from edge_runtime.serving.page.page import Page
from edge_runtime.serving.protocols.openapi import OpenApi
from edge_runtime.serving.protocols.tf_serving import TFServing
from edge_runtime.serving.protocols.v2 import V2
from edge_runtime.serving.server import Task, run
from edge_runtime.serving.terminal import Terminal
from edge_runtime.serving.tls import tls_context

_ORIGIN = re.compile(r"https?://[\w.-]+(:\d+)?|\*")


@frozen_dataclass
class Settings:
    """Options of `digits serve`; its help describes each."""

    models: Mapping[str, Path]
    host: str
    port: int
    workers: int
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    access_log: bool = True
    reload_seconds: float = 2.0
    check_seconds: float = 60.0
    threads: int | None = None
    backend: str | None = None
    uds: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for seconds in (self.reload_seconds, self.check_seconds):
            if not math.isfinite(seconds):
                raise BadArgument(f"{seconds} is not a number of seconds; give 0 or more")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise BadArgument(f"{origin!r} is not an origin; give scheme and host without a path, such as https://example.org")


def serve(settings: Settings, report: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, or until the terminal is closed.

    Raises:
        ModelFileError, VerificationFailed: no model can be served.
        MissingPackage: no interpreter is installed.
        BadArgument: certificate or key cannot be used.
        DigitsError: the server cannot listen on the address.
    """
    terminal = Terminal()
    signal.signal(signal.SIGHUP, lambda *_: sys.exit() if terminal.is_gone() else None)  # until the server handles it
    tls = tls_context(settings.cert, settings.key)
    with ExitStack() as opened:
        if settings.uds:
            listeners = [listen_at_path(settings.uds)]
            opened.callback(settings.uds.unlink, missing_ok=True)
        else:
            listeners = listen(settings.host, settings.port)
        for listener in listeners:
            opened.enter_context(listener)
        _serve_at(listeners, tls, terminal, settings, report)


def _serve_at(
    listeners: list[socket.socket],
    tls: ssl.SSLContext | None,
    terminal: Terminal,
    settings: Settings,
    report: Callable[[str], None],
) -> None:
    log, metrics, workers = JsonLog(requests=settings.access_log), Metrics(), WorkerThreads(settings.workers)
    models = ModelRepository(settings.models, workers, log, settings.threads, settings.backend, metrics.observer)
    limits, admission = settings.limits, AdmissionControl(settings.limits)
    metrics.watch(models, workers, admission)
    classify = ClassifyRoutes(models, workers, limits)
    openapi = OpenApi(limits.images, with_token=settings.token is not None)
    v2, tf_serving = V2(models, workers, limits.images), TFServing(models, workers, limits.images)
    routes = make_app(v2, tf_serving, classify, Page(), openapi, metrics)
    access = Access(settings.token, allowed_hosts(settings))
    guard = Guard(routes, limits, access, admission, log, metrics.answered)
    app = with_cors(guard, settings.cors_origins) if settings.cors_origins else guard
    every = ((settings.reload_seconds, models.refresh), (settings.check_seconds, models.check))
    tasks = [Task(seconds, work) for seconds, work in every if seconds]
    if settings.token is None and not all(map(is_local, listeners)):
        report(f"warning: {settings.host} is open to everybody on the network; require a token with --token-file")
    for name, reason in models.refusals().items():
        report(f"warning: model '{name}' is not available until its file changes: {reason}")
    names = ", ".join(served.name for served in models)
    addresses = {address_of(listener, "https" if tls else "http"): is_local(listener) for listener in listeners}
    where = " and ".join(addresses)
    codes = []
    if sys.stderr.isatty() and not all(addresses.values()):
        from edge_runtime.serving.qr_code import qr_code  # a service's log needs none

        codes = [qr_code(address) for address, local in addresses.items() if not local]
    try:
        run(
            app,
            listeners,
            tls,
            terminal,
            admission,
            models,
            limits,
            log,
            tasks,
            lambda: report("\n".join([f"serving {names} at {where}", *codes])),
            metrics.cut,
        )
    finally:
        classify.close()
        workers.close()


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Names that the Host header may have, beside addresses: localhost, this machine's own, and the given ones."""
    own = socket.gethostname().lower()
    short = own.partition(".")[0]
    return frozenset(("localhost", own, short, f"{short}.local", settings.host.lower(), *map(str.lower, settings.allowed_hosts)))
