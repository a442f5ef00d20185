"""Limits on requests and connections; `exchange`, `admission` and `connection` enforce them."""

from dataclasses import fields

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import BadArgument


@frozen_dataclass
class Limits:
    """Limits; sizes in bytes, times in seconds.

    Attributes:
        body: size of a request's body, except at /classify and /read.
        photo: size of a request's body at /classify or /read.
        pixels: width times height of a photo.
        images: images in one request.
        requests: requests answered at the same time; more get 503.
        held: size of the bodies of all unanswered requests together; beyond it, requests get 503.
        connections: open connections; one more closes the one that is idle for longest, or gets 503 if all are busy.
        connections_per_address: the same for those of one client address.
        header_seconds: from the connection, or the first byte, to the end of the header.
        body_seconds: from the header to the end of the body, beside the time that its bytes take at `body_rate`.
        body_rate: bytes a second; a body that comes more slowly gets 408.
        write_seconds: until a client that does not read its response is cut off.
        idle_seconds: between two requests of a connection.
        stop_seconds: for unanswered requests when the server stops.
    """

    body: int = 2**20
    photo: int = 8 * 2**20
    pixels: int = 16_000_000
    images: int = 1024
    requests: int = 32
    held: int = 64 * 2**20
    connections: int = 256
    connections_per_address: int = 64
    header_seconds: float = 5.0
    body_seconds: float = 10.0
    body_rate: float = 32 * 2**10
    write_seconds: float = 10.0
    idle_seconds: float = 60.0
    stop_seconds: float = 20.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise BadArgument(f"limit {field.name} is {getattr(self, field.name)}, expected more than 0")
