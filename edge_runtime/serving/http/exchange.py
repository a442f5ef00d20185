"""One request and its response: the body bounded in size and time, the response measured."""

import time

from edge_runtime.serving.http.admission import AdmissionControl
from edge_runtime.serving.http.errors import AmbiguousLength, ContentTooLarge, RequestTimeout
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.messages import Message, Receive, Send

_PHOTO_PATHS = ("/classify", "/read")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]
_CLOSE = (b"connection", b"close")


class Exchange:
    """The ASGI callables of one request, with limits on its body; counts bytes and notes the status.

    Attributes:
        status: of the response; 0 until it starts.
    """

    __slots__ = (
        "_admission",
        "_admitted",
        "_limits",
        "_max_bytes",
        "_receive",
        "_send",
        "bytes_in",
        "bytes_out",
        "headers",
        "path",
        "scope",
        "started",
        "status",
    )

    def __init__(self, scope: Message, receive: Receive, send: Send, limits: Limits, admission: AdmissionControl) -> None:
        self.scope = scope
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.started = time.perf_counter()
        self.status = 0
        self.bytes_in = self.bytes_out = 0
        self._admitted = False
        self._receive, self._send, self._admission = receive, send, admission
        self._max_bytes = limits.photo if self.path in _PHOTO_PATHS else limits.body
        self._limits = limits
        admission.in_flight += 1

    def check_framing(self) -> None:
        """Check that the end of the body is certain.

        Raises:
            AmbiguousLength: it has a length and chunks; a proxy may have gone by the one that h11 does not use.
        """
        if b"transfer-encoding" in self.headers and b"content-length" in self.headers:
            raise AmbiguousLength("a request has Content-Length or Transfer-Encoding, not both")

    def check_length(self) -> None:
        """Check the announced length of the body; admit a request without a body.

        Raises:
            ContentTooLarge: the body is larger than the route takes.
            ServiceUnavailable: as many requests as allowed are being answered.
        """
        length = int(self.headers.get(b"content-length", b"0"))  # h11 has refused anything but digits
        if length > self._max_bytes:
            raise ContentTooLarge(f"the body has {length:,} bytes, more than {self._max_bytes:,}")
        if not length and b"transfer-encoding" not in self.headers:
            self._admitted = self._admission.admit(self.path)

    async def receive(self) -> Message:
        """The next part of the body.

        Raises:
            RequestTimeout: the body comes too slowly.
            ContentTooLarge: the body is larger than the route takes.
            ServiceUnavailable: too many requests, or too many bytes of bodies.
        """
        message = await self._receive()
        count = len(message.get("body", b""))
        self.bytes_in += count
        self._admission.add_bytes(count)
        # An idle connection passes on an empty part once a second, so that this is checked: a timer a request would cost more.
        allowed = self._limits.body_seconds + self.bytes_in / self._limits.body_rate
        if message.get("more_body") and time.perf_counter() - self.started > allowed:
            raise RequestTimeout(f"{self.bytes_in:,} bytes of the body arrived within {allowed:.3g} s; send it faster")
        if self.bytes_in > self._max_bytes:
            raise ContentTooLarge(f"the body has more than {self._max_bytes:,} bytes")
        if not self._admitted and not message.get("more_body"):
            self._admitted = self._admission.admit(self.path)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the response, with the headers that all responses have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *_HEADERS, *([_CLOSE] if self._admission.draining else [])]
        else:
            self.bytes_out += len(message.get("body", b""))
        await self._send(message)

    def finish(self) -> float:
        """Release what the request held; return the seconds that it took."""
        self._admission.in_flight -= 1
        self._admission.release(self._admitted, self.bytes_in)
        return time.perf_counter() - self.started
