"""Our classifier, with the TFLite interpreter options["backend"]."""

import importlib
import io
from pathlib import Path
from typing import Any

import edge_runtime
from benchmarks.backends import LoadedModel
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.interpreter import find_backend

# Our own package is counted by its folder, which is the same installed or in a checkout.
DISTRIBUTIONS = ("numpy", "click", "pillow")
FOLDERS = {"edge-digits": str(Path(edge_runtime.__file__).parent)}


def prepare(options: dict[str, Any]) -> None:
    """Import the interpreter, which loading the classifier would do otherwise."""
    importlib.import_module(find_backend(options["backend"]).module)


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """A classifier that runs in this process: a crash of the interpreter ends this worker alone."""
    classifier = Classifier.load(Path(model), threads, options["backend"], in_process=True)
    classify = classifier.classify
    return LoadedModel(
        lambda image: classify(image).label,
        lambda images: classifier.classify_batch(images).indices,
        lambda content: classifier.classify_file(io.BytesIO(content)).label,
        lambda: _golden(classifier),
    )


def _golden(classifier: Classifier) -> tuple[int, int, bool]:
    from edge_runtime.device.verification import verify  # a cold start needs none of it

    receipt = verify(classifier)
    return receipt.labels_equal, receipt.images, receipt.passed
