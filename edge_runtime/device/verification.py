"""Verify a model on this device: compare its outputs for golden images with the recorded ones, and measure its accuracy."""

import dataclasses
import hashlib
import platform
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.intervals import accuracy_of
from edge_runtime.device.receipts import SCHEMA_VERSION, AllImages, Receipt, sealed
from edge_runtime.device.system import board_name, processor_name
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.interpreter import backend_version


def verify(classifier: Classifier) -> Receipt:
    """Classify the model's golden images, one by one and in a whole batch, and compare with the recorded outputs.

    The batch is as large as the classifier's, or its own interpreter would not be used; the images are repeated to fill it.

    Passed if every label equals the recorded one and every output is within the manifest's tolerance.

    Raises:
        ModelFileError: the model is a plain .tflite without golden images, or they are damaged.
    """
    manifest, golden = classifier.model.manifest, classifier.model.golden()
    assert manifest is not None  # golden() has raised for a plain file
    singly = np.stack([classifier.classify(image).outputs for image in golden.images])
    repeats = -(-classifier.batch // len(golden.images))
    batched = classifier.classify_batch(np.tile(golden.images, (repeats, 1, 1))).outputs
    expected = golden.outputs.astype(np.float64)
    outputs = np.stack([singly, *np.split(batched, repeats)])  # [1 + repeats, images, classes]
    difference = float(np.abs(outputs - expected).max())  # NaN propagates
    equal = np.sum((outputs.argmax(axis=2) == expected.argmax(axis=1)).all(axis=0))
    return sealed(
        Receipt(
            SCHEMA_VERSION,
            passed=bool(equal == len(expected) and difference <= manifest.tolerance.amount),
            model=manifest.name,
            sha256=manifest.flatbuffer.sha256,
            golden_sha256=hashlib.sha256(classifier.model.golden_npz).hexdigest(),
            runtime=f"{classifier.backend.package} {backend_version(classifier.backend)}",
            machine=f"{platform.system()} {platform.machine()}",
            board=board_name(),
            processor=processor_name(),
            python=platform.python_version(),
            numpy=np.__version__,
            images=len(expected),
            labels_equal=int(equal),
            largest_difference=difference if np.isfinite(difference) else None,
            tolerance=manifest.tolerance,
            labels=tuple(singly.argmax(1).tolist()),
            outputs=tuple(_numbers(row) for row in singly),
        )
    )


def verify_all(classifier: Classifier, receipt: Receipt, images: NDArray[np.uint8], labels: NDArray[np.integer[Any]]) -> Receipt:
    """Add the accuracy on a data set to a receipt. It does not change the verdict.

    Args:
        classifier: the classifier of the receipt.
        receipt: a receipt without `all_images`.
        images: uint8 [N, 28, 28], N > 0.
        labels: integers [N].
    """
    predicted = classifier.classify_batch(images).indices
    wrong = np.flatnonzero(predicted != labels)
    digest = hashlib.sha256(f"{len(images)}\n".encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels, np.int64).data)
    mistakes = tuple(zip(wrong.tolist(), predicted[wrong].tolist(), strict=True))
    all_images = AllImages(digest.hexdigest(), accuracy_of(predicted, labels), mistakes)
    return sealed(dataclasses.replace(receipt, all_images=all_images, digest=""))


def _numbers(row: NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(float(number) if np.isfinite(number) else None for number in row)
