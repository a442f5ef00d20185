"""Lock of a results folder: a run, an experiment or a search belongs to one process at a time.

flock on the folder itself: the kernel releases it however the process ends, and no lock file is left among the results, as with filelock.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_runtime.errors import DigitsError


@contextmanager
def lock_folder(folder: Path, kind: str) -> Iterator[None]:
    """Create a folder if needed and lock it; remove it at the end if it is still empty.

    Args:
        folder: the folder.
        kind: what it holds, for the message, such as "experiment".

    Raises:
        DigitsError: another process has locked it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise DigitsError(
            f"{folder}: another process works on this {kind}; wait for it to end, or choose another --name"
        ) from error
    try:
        yield
    finally:
        os.close(handle)
        with suppress(OSError):  # not empty
            folder.rmdir()
