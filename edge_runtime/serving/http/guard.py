"""What stands before every route: who may ask, how much, how long; and what is noted of it. An ASGI application around another one."""

import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import field
from typing import Any, Protocol

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.serving.http.errors import (
    ContentTooLarge,
    Forbidden,
    HeaderFieldsTooLarge,
    RequestError,
    RequestTimeout,
    ServiceUnavailable,
    Unauthorized,
    UnsupportedMediaType,
)
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.log import JsonLog

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

ROUTE = "digits.route"
"""Where the application leaves the route's pattern in the scope, for the metrics."""
HEADER_BYTES = 16 * 1024
LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "::1"))
_PHOTO_PATH = b"/classify"
_PROBES = (b"/v2/health/live", b"/v2/health/ready")
_WITHOUT_TOKEN = (b"/", *_PROBES)
_WITHOUT_QUEUE = (b"/metrics", *_PROBES)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]


@frozen_dataclass
class Access:
    """Who may ask.

    token: the bearer token that a request must carry, if any. hosts: the names that its Host header may have, if not any. Without that, a
    page of somebody else could point its own name at 127.0.0.1 and have a visitor's browser read from here.
    """

    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] | None = LOOPBACK_HOSTS

    def check(self, path: bytes, headers: dict[bytes, bytes]) -> None:
        """Let a request through.

        Raises:
            Forbidden: another host.
            Unauthorized: no token, or a wrong one.
        """
        if self.hosts is not None and _host_name(headers.get(b"host", b"")) not in self.hosts:
            raise Forbidden("the Host header names a host that is not served; allow it with --allow-host")
        if self.token is not None and path not in _WITHOUT_TOKEN:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if not hmac.compare_digest(given, self.token.encode()) or scheme.lower() != b"bearer":
                raise Unauthorized("this server needs a bearer token: Authorization: Bearer TOKEN")


class RequestMetrics(Protocol):
    """What counts requests. `in_flight` is asked how many are being answered."""

    in_flight: Callable[[], int]

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""


class Routed(Protocol):
    """An application that knows which of its routes a request is for."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""

    def pattern(self, scope: Message) -> str:
        """The pattern of a request's route, for the metrics; "other" if there is none."""


class Guard:
    """Answers what may not pass, and passes on the rest with bounds on its body.

    A request has a place among those that are answered from the end of its body on: a client that promises a body and does not send it
    keeps nobody else out. What has come of all bodies together is bounded apart.

    Attributes:
        in_flight: how many requests have begun and are not answered.
        closing: whether each answer ends its connection, as it does while the server stops.
    """

    def __init__(self, app: Routed, limits: Limits, access: Access, metrics: RequestMetrics, log: JsonLog) -> None:
        self._app = app
        self.limits = limits
        self._access = access
        self._metrics = metrics
        self._log = log
        self.in_flight = 0
        self.closing = False
        self._placed = 0
        self._held_bytes = 0
        metrics.in_flight = lambda: self.in_flight

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        exchange = _Exchange(scope, receive, send, self)
        self.in_flight += 1
        try:
            self._check(exchange)
            await self._app(scope, exchange.receive, exchange.send)
        except RequestError as refusal:
            await exchange.refuse(refusal)
        finally:
            self.in_flight -= 1
            self._placed -= exchange.placed
            self._held_bytes -= exchange.bytes_in
            self._note(exchange)

    def closing_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that end the connection, if it is to end."""
        return [(b"connection", b"close")] if self.closing else []

    def take_place(self, path: bytes) -> bool:
        """Let a request be answered beside the others, if there are not too many; whether it is counted among them.

        Raises:
            ServiceUnavailable: as many as allowed are being answered.
        """
        if path in _WITHOUT_QUEUE:
            return False
        if self._placed >= self.limits.requests:
            raise ServiceUnavailable(f"{self.limits.requests} requests are being answered already; try again later")
        self._placed += 1
        return True

    def hold(self, count: int) -> None:
        """Note that so many bytes more of a body have come.

        Raises:
            ServiceUnavailable: together with those of others they are more than this server keeps.
        """
        self._held_bytes += count
        if self._held_bytes > self.limits.held:
            raise ServiceUnavailable("the bodies of other requests fill the memory that there is for them; try again later")

    def _check(self, exchange: "_Exchange") -> None:
        # h11 bounds a header that comes in parts; one that comes whole is as long as a read may be.
        if len(exchange.path) + sum(len(name) + len(value) for name, value in exchange.scope["headers"]) > HEADER_BYTES:
            raise HeaderFieldsTooLarge(f"the header has more than {HEADER_BYTES:,} bytes")
        self._access.check(exchange.path, exchange.headers)
        if exchange.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMediaType("the body is compressed; send it as it is")
        exchange.check_length()

    def _note(self, exchange: "_Exchange") -> None:
        seconds = time.perf_counter() - exchange.started
        route = exchange.scope.get(ROUTE) or self._app.pattern(exchange.scope)  # one that was refused here has not got so far
        self._metrics.answered(route, exchange.status, seconds)
        if self._log.requests:
            client = exchange.scope.get("client")
            self._log.request(
                client=client[0] if client else "",
                method=exchange.scope["method"][:16],
                path=exchange.path[:200].decode("ascii", "replace"),
                status=exchange.status,
                seconds=seconds,
                bytes_in=exchange.bytes_in,
                bytes_out=exchange.bytes_out,
            )


class _Exchange:
    """A request under way: its body counted and timed, its answer noted."""

    __slots__ = (
        "_guard",
        "_most",
        "_receive",
        "_seconds",
        "_send",
        "bytes_in",
        "bytes_out",
        "headers",
        "path",
        "placed",
        "scope",
        "started",
        "status",
    )

    def __init__(self, scope: Message, receive: Receive, send: Send, guard: Guard) -> None:
        self.scope = scope
        self.path: bytes = scope["raw_path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.started = time.perf_counter()
        self.status = 0
        self.bytes_in = self.bytes_out = 0
        self.placed = False
        self._receive, self._send, self._guard = receive, send, guard
        self._most = guard.limits.photo if self.path == _PHOTO_PATH else guard.limits.body
        self._seconds = guard.limits.body_seconds

    def check_length(self) -> None:
        """Look at what the header says of the body; a request without one takes its place now."""
        length = int(self.headers.get(b"content-length", b"0"))  # h11 has refused what is no number
        in_chunks = b"transfer-encoding" in self.headers
        if in_chunks and b"content-length" in self.headers:
            # Whoever stands before us may have gone by the one that h11 does not (RFC 9112, 6.1).
            raise RequestError("a request has Content-Length or Transfer-Encoding, not both")
        if length > self._most:
            raise ContentTooLarge(f"the body has {length:,} bytes, more than {self._most:,}")
        if not length and not in_chunks:
            self.placed = self._guard.take_place(self.path)

    async def receive(self) -> Message:
        message = await self._receive()
        # A connection without news hands on an empty part once a second, so that this is looked at: a timer a request would cost more.
        if message.get("more_body") and time.perf_counter() - self.started > self._seconds:
            raise RequestTimeout(f"the body did not arrive within {self._seconds:g} s")
        count = len(message.get("body", b""))
        self.bytes_in += count
        self._guard.hold(count)
        if self.bytes_in > self._most:
            raise ContentTooLarge(f"the body has more than {self._most:,} bytes")
        if not self.placed and not message.get("more_body"):
            self.placed = self._guard.take_place(self.path)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *_HEADERS, *self._guard.closing_headers()]
        else:
            self.bytes_out += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, refusal: RequestError) -> None:
        body = json.dumps({"error": str(refusal)}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if isinstance(refusal, ServiceUnavailable):
            headers.append((b"retry-after", b"1"))
        if b"transfer-encoding" in self.headers:  # where the next request begins is not certain
            headers.append((b"connection", b"close"))
        if isinstance(refusal, Unauthorized):
            headers.append((b"www-authenticate", b'Bearer realm="digits"'))
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _host_name(value: bytes) -> str:
    """The name of a Host header, without its port."""
    text = value.decode("latin-1").strip().lower()
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
