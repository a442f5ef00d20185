"""One process at a time in a folder of results."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_runtime.errors import DigitsError


@contextmanager
def lock_folder(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder; the system lets go of it when the process ends, however it ends. Nothing is left of one that stayed empty.

    Args:
        folder: which one.
        what: it is, for the message, such as "experiment".

    Raises:
        DigitsError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
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
        with suppress(OSError):  # it holds something
            folder.rmdir()
