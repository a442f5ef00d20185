"""Golden images through this device's interpreter: does the model do here what it did where it was made?"""

import platform
from dataclasses import dataclass

import numpy as np

from edge_runtime.classifier import Classifier
from edge_runtime.interpreter import backend_version
from edge_runtime.manifest import Tolerance


@dataclass(frozen=True)
class Receipt:
    """What `digits verify` found. `largest_difference` is in the unit of the tolerance (output steps, or logits); None without a number."""

    passed: bool
    model: str
    sha256: str
    runtime: str
    machine: str
    python: str
    numpy: str
    images: int
    labels_equal: int
    largest_difference: float | None
    tolerance: Tolerance


def verify(classifier: Classifier) -> Receipt:
    """Classify the model's golden images, one by one and as a batch, and compare with the recorded outputs.

    Passed if every label equals the recorded one and no output is further off than the manifest allows.

    Raises:
        ModelFileError: the model is a plain .tflite without golden images, or they are damaged.
    """
    manifest, golden = classifier.model.manifest, classifier.model.golden()
    assert manifest is not None  # golden() has raised for a plain file
    singly = np.stack([classifier.classify(image).outputs for image in golden.images])
    batched = classifier.classify_batch(golden.images).outputs
    expected = golden.outputs.astype(np.float64)
    difference = float(np.max([np.abs(singly - expected), np.abs(batched - expected)]))  # NaN if there is one anywhere
    equal = np.sum((singly.argmax(1) == expected.argmax(1)) & (batched.argmax(1) == expected.argmax(1)))
    return Receipt(
        passed=bool(equal == len(expected) and difference <= manifest.tolerance.amount),
        model=manifest.name,
        sha256=manifest.flatbuffer.sha256,
        runtime=f"{classifier.backend.package} {backend_version(classifier.backend)}",
        machine=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        numpy=np.__version__,
        images=len(expected),
        labels_equal=int(equal),
        largest_difference=difference if np.isfinite(difference) else None,
        tolerance=manifest.tolerance,
    )
