"""Any model file, Keras or TFLite, asked about the same images, so that any two can be compared."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.classifier import Classifier
from edge_runtime.errors import InputError
from train.data import Dataset, Split


def predict(path: Path, data: Dataset, split: Split, threads: int = 2) -> NDArray[np.float32]:
    """Logits that a `.keras` or `.tflite` file gives to the images of a split: float32 [N, classes].

    Raises:
        ModelFileError: the file cannot be used.
        InputError: it knows another number of classes than the data.
    """
    if path.suffix != ".keras":
        classifier = Classifier.load(path, threads)
        if len(classifier.labels) != data.classes:
            raise InputError(f"{path}: knows {len(classifier.labels)} classes, {data.source} has {data.classes}")
        return classifier.classify_batch(split.images).logits

    from convert.adapt import adapt, check_contract, load_keras
    from train.models import predict_logits

    model = load_keras(path)[1]
    check_contract(path, model, data.classes)
    return predict_logits(adapt(path, model, "0..255", data.validation), split.images)
