"""A client's connection: deadlines, and responses in one write. The only module of this package that imports h11."""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol, RequestResponseCycle

from edge_runtime.serving.http.errors import RequestError, RequestTimeout, ServiceUnavailable, error_response
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.messages import Message, Send

# Sent to h11 in place of a response whose bytes are made here, so that its state advances. 304 has no body, and unlike 204 does not
# switch protocols after a CONNECT.
_STAND_IN = h11.Response(status_code=304, headers=[])
_LAST_STAND_IN = h11.Response(status_code=304, headers=[CLOSE_HEADER])


class BufferedTransport(asyncio.Transport):
    """A transport that collects the writes of one event loop iteration: a response's head and body go out in one system call.

    Attributes:
        lingering: whether the last response is sent, and the client may still be sending.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self.lingering = False
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    def write(self, data: Any) -> None:
        """Buffer bytes until the end of the iteration."""
        if data:
            if not self._parts:
                self._loop.call_soon(self.flush)
            self._parts.append(bytes(data))

    def close(self) -> None:
        """Send buffered bytes, then close."""
        self.flush()
        self._transport.close()

    def linger(self) -> None:
        """Send buffered bytes and the end of the stream, and let the client close.

        Closing while a client sends would reset the connection, and the response could be lost (RFC 9112, 9.6).
        """
        self.flush()
        self.lingering = True
        if self._transport.can_write_eof():  # not over TLS
            self._transport.write_eof()

    def abort(self) -> None:
        """Discard buffered bytes and close."""
        self._parts.clear()
        self._transport.abort()

    def flush(self) -> None:
        """Send buffered bytes."""
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._transport.write(data)


class ResponseCycle:
    """Sends a response instead of uvicorn's cycle, which lets h11 check and write all headers each time: a fifth of a request's time.

    The head depends on status and headers alone, so the bytes that h11 made are cached. Responses in several parts or without a length go
    through uvicorn's cycle.
    """

    __slots__ = ("_cycle", "_start", "_usual")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._usual: Send = cycle.send  # type: ignore[assignment]
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        """Send an ASGI message, `http.response.start` first."""
        cycle = self._cycle
        if self._start is None and message["type"] == "http.response.start" and not cycle.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        head = self._head(start) if start and not message.get("more_body") and not cycle.flow.write_paused else None
        if head is not None and not cycle.disconnected:
            self._finish(head, message.get("body", b""))
            return
        if start:
            await self._usual(start)
        await self._usual(message)

    def _head(self, start: Message) -> tuple[bytes, bool] | None:
        """The bytes before the body, and whether the connection closes; None if h11 has to frame the body."""
        headers = [*self._cycle.default_headers, *start["headers"]]
        if CLOSE_HEADER in self._cycle.scope["headers"] and CLOSE_HEADER not in headers:
            headers.append(CLOSE_HEADER)
        return _head_of(start["status"], tuple(headers))

    def _finish(self, head: tuple[bytes, bool], body: bytes) -> None:
        cycle, (text, ends) = self._cycle, head
        cycle.response_started, cycle.waiting_for_100_continue = True, False
        cycle.conn.send(_LAST_STAND_IN if ends else _STAND_IN)
        cycle.conn.send(h11.EndOfMessage())
        if cycle.conn.our_state is h11.MUST_CLOSE and not ends:  # an HTTP/1.0 client
            text = text[:-2] + b"connection: close\r\n\r\n"
        cycle.transport.write(text if cycle.scope["method"] == "HEAD" else text + body)
        cycle.response_complete = True
        cycle.message_event.set()
        del cycle.send  # a reference cycle, which would wait for the garbage collector
        if cycle.conn.our_state is h11.MUST_CLOSE or not cycle.keep_alive:
            cycle.conn.send(h11.ConnectionClosed())
            assert isinstance(cycle.transport, BufferedTransport)
            cycle.transport.linger() if cycle.more_body else cycle.transport.close()
        cycle.on_response()


@lru_cache(maxsize=256)
def _head_of(status: int, headers: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, bool] | None:
    """Status line and headers, checked and written by h11, and whether they close the connection; None without a length."""
    response = h11.Response(status_code=status, headers=list(headers), reason=STATUS_PHRASES[status])
    if not any(name == b"content-length" for name, _ in response.headers):
        return None
    lines = [b"%s: %s\r\n" % pair for pair in response.headers.raw_items()]
    return b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, response.reason, b"".join(lines)), CLOSE_HEADER in headers


class Connection(H11Protocol):
    """uvicorn's connection, with what uvicorn lacks: a bounded number, deadlines for headers and for clients that do not read.

    Attributes:
        limits: the deadlines, and the number of connections.
        on_cut: called with the reason when a connection is closed outside of any request.
        address: the client's, as `counted_address`; empty on a Unix socket.
        idle_since: time of the event loop at the last response, or at the connection's start.
    """

    limits = Limits()
    on_cut: Callable[[str], None] = staticmethod(lambda _: None)
    transport: BufferedTransport
    address = ""
    idle_since = 0.0
    _owed_since: float | None = None
    _blocked_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, and make room for it if there are too many."""
        super().connection_made(transport)
        self.transport = BufferedTransport(transport, self.loop)
        self.address = counted_address(self.client[0]) if self.client else ""
        self._owed_since = self.idle_since = self.loop.time()
        self._make_room()

    def _make_room(self) -> None:
        """Close the connection that is idle for longest if there are too many, or too many of this address; if none is idle, this one."""
        every = cast("set[Connection]", self.connections)
        crowd = [other for other in every if self.address and other.address == self.address]
        most = self.limits.connections_per_address
        if len(crowd) <= most:
            crowd, most = list(every), self.limits.connections
        if len(crowd) <= most:
            return
        self.on_cut("connections")
        idle = [other for other in crowd if other is not self and not other._answering]
        if idle:
            min(idle, key=lambda other: other.idle_since).drop()
        else:
            self._send_error(ServiceUnavailable(f"{most} connections are open already; try again later"))
            self.transport.close()

    def drop(self) -> None:
        """Close at once, without a response."""
        self.connections.discard(self)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and update the deadline."""
        if not self.transport.lingering and not self.transport.is_closing():
            super().data_received(data)
            self._update_owed(self.loop.time())

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def _update_owed(self, now: float) -> None:
        """Start or stop the clock for data that the client owes: the rest of a header, or of a body that was answered unread."""
        if self._answering:
            self._owed_since = None
        elif (
            self.transport.lingering
            or self.conn.their_state is h11.SEND_BODY
            or (self.conn.their_state is h11.IDLE and self.conn.trailing_data[0])
        ):
            self._owed_since = now if self._owed_since is None else self._owed_since
        elif self.cycle is not None:  # before its first request, a connection is timed from its start
            self._owed_since = None

    def handle_events(self) -> None:
        """Parse events; a new request is answered through `ResponseCycle`."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_started:
            self.cycle.send = ResponseCycle(self.cycle).send  # type: ignore[method-assign, assignment]

    def eof_received(self) -> bool:  # type: ignore[override]
        """Still answer a complete request of a client that closed its sending side."""
        self.transport.flush()  # asyncio is about to close the underlying transport
        waiting = self._answering and not self.cycle.more_body
        if waiting:
            self.cycle.keep_alive = False
        return waiting

    def check_deadlines(self, now: float) -> None:
        """Close the connection if a deadline has passed; wake a request that waits for its body, so that `Exchange` checks the time."""
        if self._answering and self.cycle.more_body:
            self.cycle.message_event.set()
        if not self.flow.write_paused and not self.transport.is_closing():
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = now
        elif now - self._blocked_since > self.limits.write_seconds:
            self.transport.abort()
        self._update_owed(now)
        owed_for = now - (now if self._owed_since is None else self._owed_since)
        if owed_for > self.limits.header_seconds and not self.transport.is_closing():
            self.on_cut("slow")
            if (
                self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]
            ):  # who asked nothing, as a browser in advance, gets nothing
                self._send_error(RequestTimeout(f"no complete request within {self.limits.header_seconds:g} s"))
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not valid HTTP; uvicorn calls this."""
        self.on_cut("invalid")
        if self._answering:  # the error is in the body of a request, which ends here
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._send_error(RequestError(msg))
        self.transport.linger()

    def _send_error(self, error: RequestError) -> None:
        """Answer an error outside of any request; the connection has to end then."""
        response = error_response(error)
        headers = [*response.raw_headers(), CLOSE_HEADER]
        head = h11.Response(status_code=response.status, headers=headers, reason=STATUS_PHRASES[response.status])
        for event in (head, h11.Data(data=response.body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))

    def _unsupported_upgrade_warning(self) -> None:
        """Ignore upgrades to WebSocket without uvicorn's advice in the log on what to install."""

    @property
    def _answering(self) -> bool:
        return not self.transport.lingering and self.cycle is not None and not self.cycle.response_complete


def counted_address(text: str) -> str:
    """What connections are counted by: an IPv4 address, or the 64 bits of IPv6 within which a host may choose its addresses."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return address.packed[:8].hex()
    return str(getattr(address, "ipv4_mapped", None) or address)
