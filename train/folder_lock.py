"""One process at a time in a folder of results."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.errors import DigitsError


@contextmanager
def hold(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder that is there; the system lets go of it when the process ends, however it ends.

    Args:
        folder: which one.
        what: it is, for the message, such as "experiment".

    Raises:
        DigitsError: another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise DigitsError(f"{folder}: another process works on this {what}") from error
    try:
        yield
    finally:
        os.close(handle)
