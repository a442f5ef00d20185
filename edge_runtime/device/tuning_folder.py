"""The folder of saved tunings. Separate from `tuning`, so that `digits classify` imports that only on a device that was tuned."""

import os
from pathlib import Path


def tuning_folder() -> Path:
    """The folder, in the user's cache; it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-digits"
