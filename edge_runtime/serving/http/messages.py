"""Requests and responses without a web framework: what handlers take and return, and how a response is sent over ASGI."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

JSON = "application/json"

Message = MutableMapping[str, Any]
"""An ASGI message or scope."""
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[str, str], ...]


class Upload(NamedTuple):
    """An uploaded image file: the file name that the client gave, or "request", and its bytes."""

    name: str
    content: bytes


class Request(NamedTuple):
    """A request. `headers` are by lower-case name; `parameters` those of the path; `body` and `upload` read from the client."""

    parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    body: Callable[[], Awaitable[bytes]]
    upload: Callable[[], Awaitable[Upload]]


class Response(NamedTuple):
    """A response: body, status, media type, and more headers."""

    body: bytes = b""
    status: int = 200
    media_type: str = JSON
    headers: Headers = ()

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers as ASGI and h11 take them."""
        headers = [(b"content-length", str(len(self.body)).encode()), (b"content-type", self.media_type.encode())]
        return headers + [(name.lower().encode(), value.encode()) for name, value in self.headers]


Handler = Callable[[Request], Awaitable[Response]]


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode  # json.dumps would make an encoder each time


def encode_json(value: Any) -> bytes:
    """Compact JSON.

    Raises:
        ValueError: a number in it is NaN or infinite.
    """
    return _encode(value).encode()


def as_json(value: Any, status: int = 200, headers: Headers = ()) -> Response:
    """A JSON response."""
    return Response(encode_json(value), status, headers=headers)


async def send_response(response: Response, send: Send) -> None:
    """Send a response as two ASGI messages."""
    await send({"type": "http.response.start", "status": response.status, "headers": response.raw_headers()})
    await send({"type": "http.response.body", "body": response.body})
