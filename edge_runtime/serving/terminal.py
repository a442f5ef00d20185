"""The terminal that the server was started at: SIGHUP tells that it was closed, or asks to reload."""

import os
import signal


class Terminal:
    """This process's terminal, if it has one and was not told to outlive it, as by nohup."""

    def __init__(self) -> None:
        self._had = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()

    def is_gone(self) -> bool:
        """Whether the terminal has been closed."""
        return self._had and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:  # the kernel takes a closed terminal away from its processes before it sends SIGHUP
        return False
    return True
