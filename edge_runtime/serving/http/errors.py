"""Why a request is not answered: each refusal is a status code and one line for the client."""

from typing import ClassVar

from edge_runtime.errors import InputError


class RequestError(InputError):
    """A request that cannot be answered as it is; 400 unless a subclass says otherwise."""

    status: ClassVar[int] = 400


class Unauthorized(RequestError):
    """The bearer token is missing or wrong."""

    status = 401


class Forbidden(RequestError):
    """The Host header names another machine than the one that is asked."""

    status = 403


class NotFound(RequestError):
    """No such model, version or page."""

    status = 404


class RequestTimeout(RequestError):
    """The body did not arrive in time."""

    status = 408


class ContentTooLarge(RequestError):
    """The body is larger than the route takes."""

    status = 413


class UnsupportedMediaType(RequestError):
    """The body is compressed, or of a type that the route does not take."""

    status = 415


class HeaderFieldsTooLarge(RequestError):
    """The header is longer than any client of ours needs."""

    status = 431


class ServiceUnavailable(RequestError):
    """As many requests as allowed are being answered already."""

    status = 503
