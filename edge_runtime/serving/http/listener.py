"""The listening sockets: created at the start, their queues accepted at the end."""

import asyncio
import errno
import ipaddress
import socket
from pathlib import Path

from edge_runtime.errors import DigitsError

_AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to all addresses of a name, at one port; port 0 is any free one.

    An address that the machine lacks, such as ::1 without IPv6, is left out if there is another.

    Raises:
        DigitsError: no address is this machine's, or one is in use or not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return _bind_all(list(dict.fromkeys(found)), port)
    except OSError as error:
        raise DigitsError(
            f"{host}:{port}: cannot listen ({error.strerror or error}); choose another address with --host and --port"
        ) from error


def _bind_all(found: list[_AddressInfo], port: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    lacking: list[OSError] = []
    for family, kind, protocol, _, address in found:
        try:
            listeners.append(_bound(family, kind, protocol, (address[0], port, *address[2:]), alone=len(found) == 1))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                _close(listeners)
                raise
            lacking.append(error)
        else:
            port = listeners[-1].getsockname()[1]
    if not listeners:
        raise lacking[0]
    return listeners


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...], *, alone: bool) -> socket.socket:
    # asyncio sets TCP_NODELAY on accepted sockets only if the protocol is named; without it each response takes 40 ms longer.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not alone:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def listen_at_path(path: Path) -> socket.socket:
    """A Unix socket at a path, which every user may connect to as to a port of this machine. A socket that nobody listens at is replaced.

    Raises:
        DigitsError: a server listens there, there is another kind of file, or the folder does not allow it.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and listener.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink()
        listener.close()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        path.chmod(0o666)
    except OSError as error:
        listener.close()
        raise DigitsError(f"{path}: cannot listen ({error.strerror or error}); choose another path with --uds") from error
    return listener


def _close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """The URL of a listener; for one on all interfaces with the address of the interface that leads to other machines."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        host = _own_address() or "127.0.0.1"
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


def _own_address() -> str | None:
    """This machine's IPv4 address on the network that its default route leads to; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737)
        except OSError:
            return None
        return str(probe.getsockname()[0])


def is_local(listener: socket.socket) -> bool:
    """Whether a listener can be reached from this machine only."""
    if listener.family == socket.AF_UNIX:
        return True
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


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
