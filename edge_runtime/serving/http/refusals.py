"""Why a request is not answered: each refusal is a status code and one line for the client."""

from typing import ClassVar

from edge_runtime.errors import InputError


class Refusal(InputError):
    """A request that cannot be answered as it is; 400 unless a subclass says otherwise."""

    status: ClassVar[int] = 400


class Unauthorized(Refusal):
    """The bearer token is missing or wrong."""

    status = 401


class Forbidden(Refusal):
    """The Host header names another machine than the one that is asked."""

    status = 403


class NotFound(Refusal):
    """No such model, version or page."""

    status = 404


class TooSlow(Refusal):
    """The body did not arrive in time."""

    status = 408


class TooLarge(Refusal):
    """The body is larger than the route takes."""

    status = 413


class UnknownEncoding(Refusal):
    """The body is compressed, or of a type that the route does not take."""

    status = 415


class HeaderTooLarge(Refusal):
    """The header is longer than any client of ours needs."""

    status = 431


class Busy(Refusal):
    """As many requests as allowed are being answered already."""

    status = 503
