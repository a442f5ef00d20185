"""Cross-entropy after temperature scaling: tells apart networks whose accuracies on 5,000 images cannot."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from train.data import Split


def calibrated_loss(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Cross-entropy at the temperature that makes it least (Guo et al., arXiv 1706.04599), one number fitted on these very images.

    Smoothed labels and teachers change how sure a network is, and plain cross-entropy would count that rather than what it knows.

    Args:
        logits: [N, classes].
        labels: [N], below the number of classes.
    """
    scaled = np.asarray(logits, np.float64)

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(scaled / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels].mean())

    return float(minimize_scalar(loss, bounds=(-4, 4), method="bounded").fun)


def loss_of(model: Path, split: Split) -> float:
    """The same of a `.keras` file and the images of a split. Loads TensorFlow."""
    from train.backend import keras
    from train.model.architectures import predict_logits

    return calibrated_loss(predict_logits(keras.saving.load_model(model), split.images), split.labels)
