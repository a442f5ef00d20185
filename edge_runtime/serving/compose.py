"""Put the server together from its parts."""

import ipaddress
import math
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import BadArgument
from edge_runtime.serving.app import make_app, with_cors
from edge_runtime.serving.http.access import Access
from edge_runtime.serving.http.admission import AdmissionControl
from edge_runtime.serving.http.guard import Guard
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.listener import listen
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
    threads: int = 1
    backend: str | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for seconds in (self.reload_seconds, self.check_seconds):
            if not math.isfinite(seconds):
                raise BadArgument(f"{seconds} is not a number of seconds; give 0 or more")
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise BadArgument(f"{origin!r} is not an origin; give scheme and host without a path, such as https://example.org")


def serve(settings: Settings, report: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ModelFileError, VerificationFailed: a model cannot be served.
        MissingPackage: no interpreter is installed.
        DigitsError: the server cannot listen on the address.
    """
    with listen(settings.host, settings.port) as listener:
        _serve_at(listener, settings, report)


def _serve_at(listener: socket.socket, settings: Settings, report: Callable[[str], None]) -> None:
    log, metrics, workers = JsonLog(requests=settings.access_log), Metrics(), WorkerThreads(settings.workers)
    models = ModelRepository(settings.models, workers, log, settings.threads, settings.backend, metrics.observer)
    limits, admission = settings.limits, AdmissionControl(settings.limits)
    metrics.watch(models, workers, admission)
    classify = ClassifyRoutes(models, workers, limits)
    openapi = OpenApi(limits.images, with_token=settings.token is not None)
    v2, tf_serving = V2(models, workers, limits.images), TFServing(models, workers, limits.images)
    routes = make_app(v2, tf_serving, classify, Page(), openapi, metrics)
    bound = listener.getsockname()[0]
    access = Access(settings.token, allowed_hosts(settings))
    guard = Guard(routes, limits, access, admission, log, metrics.answered)
    app = with_cors(guard, settings.cors_origins) if settings.cors_origins else guard
    every = ((settings.reload_seconds, models.refresh), (settings.check_seconds, models.check))
    tasks = [Task(seconds, work) for seconds, work in every if seconds]
    if not is_loopback(bound) and settings.token is None:
        report(f"warning: {settings.host} is open to everybody on the network; require a token with --token-file")
    for name, reason in models.refusals().items():
        report(f"warning: model '{name}' is not available until its file changes: {reason}")
    names = ", ".join(served.name for served in models)
    try:
        run(
            app,
            listener,
            admission,
            models,
            limits,
            log,
            tasks,
            lambda: report(f"serving {names} at {address(listener.getsockname())}"),
            metrics.cut,
        )
    finally:
        classify.close()
        workers.close()


def address(name: tuple[str, int]) -> str:
    """The URL of a socket's address."""
    host, port = name[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Names that the Host header may have, beside addresses: localhost, this machine's own, and the given ones."""
    own = socket.gethostname().lower()
    short = own.partition(".")[0]
    return frozenset(("localhost", own, short, f"{short}.local", settings.host.lower(), *map(str.lower, settings.allowed_hosts)))
