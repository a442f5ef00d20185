"""The listening socket: created at the start, its queue accepted at the end."""

import asyncio
import socket

from edge_runtime.errors import DigitsError


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address; port 0 is any free one.

    Raises:
        DigitsError: the address is not this machine's, in use, or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # asyncio sets TCP_NODELAY on accepted sockets only if the protocol is named; without it each response takes 40 ms longer.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise DigitsError(
            f"{host}:{port}: cannot listen ({error.strerror or error}); choose another address with --host and --port"
        ) from error
    return listener


def accept_all(listener: socket.socket, loop: asyncio.AbstractEventLoop) -> list[socket.socket]:
    """Accept all waiting connections, without awaiting, so that hardly another can arrive before the listener is closed."""
    loop.remove_reader(listener.fileno())
    accepted = []
    try:
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            accepted.append(connection)
    except OSError:  # no more connections, or no more descriptors
        return accepted
