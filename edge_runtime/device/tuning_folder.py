"""Where this device remembers what was measured on it. Apart from `tuning`, so that a device that was never tuned need not load that."""

import os
from pathlib import Path


def tuning_folder() -> Path:
    """The folder, which may not be there yet: in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-digits"
