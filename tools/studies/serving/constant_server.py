"""What a server costs that does nothing: a starlette route that returns a constant, as uvicorn runs it.

`python -m tools.studies.serving.constant_server BYTES` listens at a free port of 127.0.0.1 and says where, as `digits serve` does.
"""

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def main(size: int) -> None:
    """Serve `size` bytes until SIGTERM."""
    constant = bytes(size)

    async def answer(request: Request) -> Response:
        return Response(constant, media_type="application/octet-stream")

    # With the protocol named, asyncio turns Nagle's delay off; socket.create_server does not name it, and each answer takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(f"constant at http://127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    config = uvicorn.Config(app, http="h11", ws="none", loop="asyncio", lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main(int(sys.argv[1]))
