"""Errors of requests, and the one place where an error becomes an HTTP response: `error_response`.

    RequestError               400
    ├── AmbiguousLength        400   the connection ends
    ├── ClientDisconnected     400
    ├── Unauthorized           401
    ├── Forbidden              403
    ├── NotFound               404
    ├── MethodNotAllowed       405
    ├── RequestTimeout         408
    ├── ContentTooLarge        413
    ├── UnsupportedMediaType   415
    ├── HeaderFieldsTooLarge   431
    ├── ServiceUnavailable     503
    ├── ModelUnavailable       503
    └── ModelControlDisabled   503

`http.guard` catches whatever a request raises, `http.connection` what happens before a request is complete; nothing else writes errors.
"""

from collections.abc import Iterable
from typing import ClassVar

from edge_runtime.errors import DigitsError, InputError
from edge_runtime.serving.http.messages import Response, as_json


class RequestError(InputError):
    """A request that cannot be answered; status 400 unless a subclass says otherwise. `headers` go into the response."""

    status: ClassVar[int] = 400
    headers: tuple[tuple[str, str], ...] = ()


class AmbiguousLength(RequestError):
    """Content-Length and Transfer-Encoding disagree about where the next request begins, so the connection ends (RFC 9112, 6.1)."""

    headers = (("Connection", "close"),)


class ClientDisconnected(RequestError):
    """The client closed the connection before its request was complete; nobody reads the response."""


class Unauthorized(RequestError):
    """The bearer token is missing or wrong. Strangers keep no connection."""

    status = 401
    headers = (("WWW-Authenticate", 'Bearer realm="digits"'), ("Connection", "close"))


class Forbidden(RequestError):
    """The Host header names another host."""

    status = 403
    headers = (("Connection", "close"),)


class NotFound(RequestError):
    """No such route, model or version."""

    status = 404


class MethodNotAllowed(RequestError):
    """The route exists for other methods."""

    status = 405

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        names = sorted(allowed)
        super().__init__(f"method {method[:16]} not allowed here; use {' or '.join(names)}")
        self.headers = (("Allow", ", ".join(names)),)


class RequestTimeout(RequestError):
    """The request did not arrive in time."""

    status = 408


class ContentTooLarge(RequestError):
    """The body is larger than the route takes."""

    status = 413


class UnsupportedMediaType(RequestError):
    """The body is compressed."""

    status = 415


class HeaderFieldsTooLarge(RequestError):
    """The header is longer than `HEADER_BYTES`."""

    status = 431


class ServiceUnavailable(RequestError):
    """The server or a model cannot answer now; the client may retry after a second."""

    status = 503
    headers = (("Retry-After", "1"),)


class ModelUnavailable(RequestError):
    """A model's file could not be loaded, or its last check failed; a second later it will be the same."""

    status = 503


class ModelControlDisabled(RequestError):
    """Loading or unloading by request, which Triton refuses with 503 too when it polls its repository."""

    status = 503


def error_response(error: Exception) -> Response:
    """The response for an error: its message as {"error": message}.

    Errors that are not the project's own become "internal error" with status 500: their text could tell a client too much.
    """
    if not isinstance(error, DigitsError):
        return as_json({"error": "internal error; see the server's log"}, 500)
    if isinstance(error, RequestError):
        return as_json({"error": str(error)}, error.status, error.headers)
    return as_json({"error": str(error)}, RequestError.status if isinstance(error, InputError) else 500)
