"""Waiting for what happens in another thread or process."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 300  # seconds until something that does not happen is given up: only what is broken takes so long, on a busy board too
Found = TypeVar("Found")


def until(condition: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """What `condition` returns, once that is anything.

    Raises:
        TimeoutError: it has not been for so many seconds.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise TimeoutError(f"nothing after {seconds} s")
