"""Ignore Pillow's warnings while images are read, on any number of threads.

`warnings.catch_warnings` is not for threads: where two blocks overlap, the later one restores the filters of the earlier one, and
everything is ignored from then on.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_lock = threading.Lock()
_blocks = 0
_entry: Any = None


@contextmanager
def ignore_pillow_warnings() -> Iterator[None]:
    """Within the block, ignore warnings that Pillow's modules give. The first of several blocks adds a filter, the last removes it."""
    global _blocks, _entry  # noqa: PLW0603  # so are the filters of `warnings`
    with _lock:
        _blocks += 1
        if _blocks == 1:
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _entry = warnings.filters[0]
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                with suppress(ValueError):  # the program has reset the filters
                    warnings.filters.remove(_entry)  # type: ignore[attr-defined]
