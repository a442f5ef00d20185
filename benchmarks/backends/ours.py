"""Our own classifier, with one of the TFLite interpreters: options["backend"]."""

import importlib
from pathlib import Path
from typing import Any

from benchmarks.backends import LoadedModel
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.interpreter import find_backend

DISTRIBUTIONS = ("ai-edge-litert",)


def prepare(options: dict[str, Any]) -> None:
    """Import the interpreter, which the classifier would do when it is loaded."""
    importlib.import_module(find_backend(options["backend"]).module)


def load(model: str, threads: int, options: dict[str, Any]) -> LoadedModel:
    """A classifier that trusts its file: whatever it does, it does to this child alone."""
    classifier = Classifier.load(Path(model), threads, options["backend"], in_process=True)
    classify = classifier.classify
    return LoadedModel(lambda image: classify(image).label, lambda images: classifier.classify_batch(images).indices)
