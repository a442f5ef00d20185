"""Notify systemd of the service's state (sd_notify): ready, stopping, alive. Does nothing without systemd."""

import os
import socket


def sd_notify(state: str) -> None:
    """Send a state such as READY=1 to systemd.

    Source: the protocol that sd_notify(3) describes: a datagram to $NOTIFY_SOCKET, whose leading @ stands for an abstract name.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect("\0" + address[1:] if address.startswith("@") else address)
            sender.send(state.encode())
        except OSError:
            return  # systemd is gone or its socket full, which must not end the service
