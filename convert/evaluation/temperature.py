"""Calibrate a model's probabilities by one number, which changes no label."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from edge_runtime.model.manifest import TEMPERATURES


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """The temperature, in steps of 0.01, at which softmax of the logits over it has the least cross-entropy.

    Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017.

    Args:
        logits: float32 [N, classes], of validation images.
        labels: uint8 [N].
    """
    centred = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    of_label = centred[np.arange(len(labels)), labels]

    def cross_entropy(logarithm: float) -> float:
        inverse = np.exp(-logarithm)
        return float(np.mean(np.log(np.exp(centred * inverse).sum(axis=1)) - of_label * inverse))

    found = minimize_scalar(cross_entropy, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-4})
    return round(float(np.exp(found.x)), 2)
