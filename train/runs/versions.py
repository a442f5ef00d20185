"""Versions of the packages that trained weights depend on. Needs no TensorFlow."""

from importlib.metadata import version

from edge_runtime.distributed.machines import Requirements
from edge_runtime.version import __version__


def installed_versions() -> dict[str, str]:
    """Versions of this package and of those that its results depend on."""
    return {"edge-digits": __version__, **{name: version(name) for name in ("tensorflow", "keras", "numpy")}}


WORKER_REQUIREMENTS = Requirements(installed_versions, "train")
"""Workers must have the same versions and the train extra."""
