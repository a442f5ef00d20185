"""The socket that is listened at: how it is made, and how its queue is emptied at the end."""

import asyncio
import socket

from edge_runtime.errors import DigitsError


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address; port 0 for any free one.

    Raises:
        DigitsError: the address is not this machine's, in use, or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With the protocol named, asyncio turns Nagle's delay off for what is accepted; without, each answer would take 40 ms longer.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise DigitsError(
            f"{host}:{port}: cannot listen there ({error.strerror or error}); choose with --host and --port"
        ) from error
    return listener


def accept_all(listener: socket.socket, loop: asyncio.AbstractEventLoop) -> list[socket.socket]:
    """The connections that wait to be accepted. Nothing is awaited, so that hardly one can come before the listener is closed."""
    loop.remove_reader(listener.fileno())
    accepted = []
    try:
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            accepted.append(connection)
    except OSError:  # no more of them, or no more descriptors
        return accepted
