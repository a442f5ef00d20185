"""The folder of saved tunings. Separate from `tuning`, so that `digits classify` imports that only on a device that was tuned."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.device.tuning import Tuning
    from edge_runtime.inference.interpreter import Backend
    from edge_runtime.model.model_file import ModelFile


def tuning_folder() -> Path:
    """The folder, in the user's cache; it may not exist yet.

    Raises:
        RuntimeError: the user has no home folder, as a service of systemd may have none.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-digits"


def saved_tuning(model: "ModelFile", backend: "Backend") -> "Tuning | None":
    """What `digits tune` found for this model on this device, if it was run."""
    try:
        if not tuning_folder().is_dir():
            return None
    except RuntimeError:
        return None
    from edge_runtime.device.tuning import load_tuning

    return load_tuning(model, backend)
