"""The device side: model files and pixels in, digits out.

Imports: no other package of this project, and at most numpy until a public name is used. Pillow, click and the interpreters are imported
when first needed, each in one or two modules (image_files and explanation, cli, interpreter).
Imported by: train, convert, benchmarks.
Flow: <name>-<recipe>.tflite + pixels -> digits; photos become pixels in edge_runtime.preprocessing
"""

import importlib
from typing import TYPE_CHECKING, Any

from edge_runtime.version import __version__

if TYPE_CHECKING:
    from edge_runtime.errors import DigitsError, ImageError, InputError, MissingPackage, ModelFileError
    from edge_runtime.inference.classifier import Classifier
    from edge_runtime.inference.results import Classification, Classifications, Prediction
    from edge_runtime.model.model_file import ModelFile, read_model_file
    from edge_runtime.preprocessing.image_files import Picture, read_picture

_HOMES = {
    "inference.classifier": ("Classifier",),
    "inference.results": ("Classification", "Classifications", "Prediction"),
    "errors": ("DigitsError", "ImageError", "InputError", "MissingPackage", "ModelFileError"),
    "model.model_file": ("ModelFile", "read_model_file"),
    "preprocessing.image_files": ("Picture", "read_picture"),
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
    "Picture",
    "Prediction",
    "__version__",
    "read_model_file",
    "read_picture",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562): `digits --help` needs no numpy."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
