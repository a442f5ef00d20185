"""Work for real worker processes, which import it by its name."""

import os
import time
from typing import Any


def slow_process(_shared: bytes, value: Any) -> tuple[int, Any]:
    """The process that this ran in, after a while, and the value."""
    time.sleep(0.3)
    return os.getpid(), value
