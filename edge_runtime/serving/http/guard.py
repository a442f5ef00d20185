"""The ASGI application around all routes: checks requests, answers errors, logs and counts."""

from collections.abc import Callable
from typing import Protocol

from edge_runtime.errors import DigitsError, InputError
from edge_runtime.serving.http.access import Access
from edge_runtime.serving.http.admission import AdmissionControl
from edge_runtime.serving.http.errors import HeaderFieldsTooLarge, UnsupportedMediaType, error_response
from edge_runtime.serving.http.exchange import Exchange
from edge_runtime.serving.http.limits import Limits
from edge_runtime.serving.http.log import JsonLog
from edge_runtime.serving.http.messages import Message, Receive, Send, send_response
from edge_runtime.serving.http.target import to_origin_form

ROUTE = "digits.route"
"""Key of the scope under which the router leaves the route's pattern, for log and metrics."""
HEADER_BYTES = 16 * 1024


class Router(Protocol):
    """An application that knows the pattern of a request's route."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or raise."""

    def pattern(self, scope: Message) -> str:
        """The pattern of a request's route; "other" if there is none."""


class Guard:
    """Checks each request before the router gets it, and answers whatever error it raises."""

    def __init__(
        self,
        router: Router,
        limits: Limits,
        access: Access,
        admission: AdmissionControl,
        log: JsonLog,
        on_response: Callable[[str, int, float], None],
    ) -> None:
        """Guard a router. `on_response` is called with route, status and seconds of each request."""
        self._router = router
        self._limits = limits
        self._access = access
        self._admission = admission
        self._log = log
        self._on_response = on_response

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        to_origin_form(scope)
        exchange = Exchange(scope, receive, send, self._limits, self._admission)
        try:
            self._check(exchange)
            await self._router(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.status:  # half a response is sent: uvicorn ends the connection
                raise
            self._log_failure(error, exchange)
            await send_response(error_response(error), exchange.send)
        finally:
            self._record(exchange, exchange.finish())

    def _check(self, exchange: Exchange) -> None:
        exchange.check_framing()
        # h11 bounds a header that comes in parts; one that comes in one piece is as long as a read may be.
        if (
            len(exchange.scope["raw_path"]) + sum(len(name) + len(value) for name, value in exchange.scope["headers"])
            > HEADER_BYTES
        ):
            raise HeaderFieldsTooLarge(f"the header has more than {HEADER_BYTES:,} bytes")
        self._access.check(exchange.path, exchange.headers)
        if exchange.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMediaType("the body is compressed; send it without Content-Encoding")
        exchange.check_length()

    def _log_failure(self, error: Exception, exchange: Exchange) -> None:
        """Log what is not the client's fault."""
        if isinstance(error, InputError):
            return
        if isinstance(error, DigitsError):
            self._log.event("error", text=str(error))
        else:
            self._log.failure(f"{exchange.scope['method']} {self._route(exchange)}")

    def _route(self, exchange: Exchange) -> str:
        return exchange.scope.get(ROUTE) or self._router.pattern(exchange.scope)  # a request that was refused here has no route yet

    def _record(self, exchange: Exchange, seconds: float) -> None:
        self._on_response(self._route(exchange), exchange.status, seconds)
        if self._log.requests:
            client = exchange.scope.get("client")
            self._log.request(
                client=client[0] if client else "",
                method=exchange.scope["method"][:16],
                path=exchange.scope["raw_path"][:200].decode("ascii", "replace"),
                status=exchange.status,
                seconds=seconds,
                bytes_in=exchange.bytes_in,
                bytes_out=exchange.bytes_out,
            )
