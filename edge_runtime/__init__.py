"""The device side: model files and pixels in, digits out.

Imports: none of ours, and numpy at most until something is loaded. Pillow, click, and the interpreters are imported in as few modules as
can be (images and explanation, cli, interpreter), when first needed.
Imported by: train, convert, benchmarks.
Flow: <name>-<recipe>.tflite + pixels -> digits; photos become pixels in edge_runtime.photos
"""

from edge_runtime.classifier import Classification, Classifications, Classifier
from edge_runtime.errors import DigitsError, ImageError, InputError, MissingPackage, ModelFileError
from edge_runtime.model_file import ModelFile, read_model_file
from edge_runtime.version import __version__

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
