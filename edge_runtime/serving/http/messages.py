"""A request and its answer, without a web framework: what the protocols of this package take and give."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

JSON = "application/json"


class Upload(NamedTuple):
    """An image file that came with a request: its name as the client says it, or "request", and its bytes."""

    name: str
    content: bytes


class Request(NamedTuple):
    """A request. `headers` are by lower-case name; `parameters` those of the path; `body` and `upload` read on from the client."""

    parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    body: Callable[[], Awaitable[bytes]]
    upload: Callable[[], Awaitable[Upload]]


class Response(NamedTuple):
    """A response: status, body, media type, and further headers."""

    body: bytes = b""
    status: int = 200
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Awaitable[Response]]


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode  # json.dumps would make an encoder each time


def encode_json(value: Any) -> bytes:
    """JSON in as few bytes as it takes.

    Raises:
        ValueError: a number in it is NaN or infinite.
    """
    return _encode(value).encode()


def as_json(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(encode_json(value), status)
