"""The device side: model files and pixels in, digits out.

Imports: none of ours, and numpy at most until something is loaded. Pillow, click, and the interpreters are imported in as few modules as
can be (images and explanation, cli, interpreter), when first needed.
Imported by: train, convert, benchmarks.
Flow: <name>-<recipe>.tflite + pixels -> digits; photos become pixels in edge_runtime.preprocessing
"""

import importlib
from typing import TYPE_CHECKING, Any

from edge_runtime.version import __version__

if TYPE_CHECKING:
    from edge_runtime.errors import DigitsError, ImageError, InputError, MissingPackage, ModelFileError
    from edge_runtime.inference.classifier import Classification, Classifications, Classifier
    from edge_runtime.model.model_file import ModelFile, read_model_file

_HOMES = {
    "inference.classifier": ("Classification", "Classifications", "Classifier"),
    "errors": ("DigitsError", "ImageError", "InputError", "MissingPackage", "ModelFileError"),
    "model.model_file": ("ModelFile", "read_model_file"),
}

__all__ = [
    "Classification",
    "Classifications",
    "Classifier",
    "DigitsError",
    "ImageError",
    "InputError",
    "MissingPackage",
    "ModelFile",
    "ModelFileError",
    "__version__",
    "read_model_file",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is (PEP 562): `digits --help` needs no numpy."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
