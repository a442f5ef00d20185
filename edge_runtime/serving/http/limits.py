"""How much a client may ask for."""

from dataclasses import fields

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.errors import BadArgument


@frozen_dataclass
class Limits:
    """Bounds on requests; sizes in bytes, times in seconds.

    Attributes:
        body: of a request, photos apart.
        photo: of a request to /classify.
        pixels: of a photo.
        images: in one request.
        requests: answered at once; the next one gets 503.
        held: of the bodies of all requests that are under way; the next one gets 503.
        connections: open at once; the next one gets 503 and is closed.
        header_seconds: from a connection, or a first byte, to a whole header.
        body_seconds: from the header to the end of the body.
        write_seconds: for a client that does not take its answer.
        idle_seconds: between two requests of a connection.
        stop_seconds: for requests that are under way when the server is told to stop.
    """

    body: int = 2**20
    photo: int = 8 * 2**20
    pixels: int = 16_000_000
    images: int = 1024
    requests: int = 32
    held: int = 64 * 2**20
    connections: int = 256
    header_seconds: float = 5.0
    body_seconds: float = 10.0
    write_seconds: float = 10.0
    idle_seconds: float = 60.0
    stop_seconds: float = 20.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise BadArgument(f"limit {field.name} is {getattr(self, field.name)}, expected more than 0")
