"""Ctrl-C as a wish to stop soon, not as an error somewhere in the middle."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130  # exit code, as a shell says it of a command that Ctrl-C ended, so that what follows in a script does not run


@contextmanager
def stop_on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGINT; the second is a KeyboardInterrupt as ever.

    Does nothing outside the main thread, or where SIGINT is ignored: a command in the background of a script is not meant by Ctrl-C.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before == signal.SIG_IGN:
        yield
        return

    def first(_signal: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
