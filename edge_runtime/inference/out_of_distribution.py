"""Detect images that are unlike MNIST's digits, for which a model's label is meaningless, and the probability that a label is right.

The score is the sum of two terms, each divided by its standard deviation over validation images: the negative free energy of the logits
(W. Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020), and the error of reconstructing the image from principal
components of the predicted class, negated (S. Wold, "Pattern recognition by means of disjoint principal components models", Pattern
Recognition 8 (1976)). The components serve all models; deviations and threshold exist for the shipped models alone.
`python -m tools.studies.device.out_of_distribution` computes them, and `tools.studies.device.confidence` the weights of the confidence.
"""

from dataclasses import field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.json_codec import read_json
from edge_runtime.common.pixels import SIDE, Batch, Image
from edge_runtime.model.model_file import MODELS, ModelFile

CALIBRATIONS = MODELS / "out_of_distribution.json"
COMPONENTS = MODELS / "out_of_distribution.npy"
STEP = 256
"""Components are stored as int8, in steps of 1/256."""
_HALF = SIDE // 2
TINY = 1e-12
"""Least score and least rest of scores that is divided by."""


@frozen_dataclass
class Calibration:
    """Statistics of one model on validation images.

    sha256: hash of its FlatBuffer. energy, reconstruction: standard deviations of the two terms of the score. threshold: an image with a
    lower score is unlike any digit. false_alarms: percent of validation images below it. photo_alarms: percent of photos of them below it.
    confidence: weights of the margin and of the score, and a constant, in the logit of the probability that a picture's label is right.
    confidence_error: expected calibration error of that probability on photos, in percent.
    """

    sha256: str
    energy: float
    reconstruction: float
    threshold: float
    false_alarms: float
    photo_alarms: float
    confidence: tuple[float, float, float]
    confidence_error: float


@frozen_dataclass
class Calibrations:
    """The contents of out_of_distribution.json: `models` by file name; percent of each kind of non-digits that a model detects."""

    models: dict[str, Calibration]
    detection_rates: dict[str, dict[str, float]]


@frozen_dataclass
class OutOfDistribution:
    """The detector for one model. components: float32 [classes, 1 + K, 196], the mean of each class and K principal components."""

    calibration: Calibration
    components: NDArray[np.float32] = field(repr=False)

    @classmethod
    def of(cls, model: ModelFile) -> "OutOfDistribution | None":
        """The detector for a model; None if it is not one of the shipped models."""
        if model.manifest is None:
            return None
        sha256 = model.manifest.flatbuffer.sha256
        known = {calibration.sha256: calibration for calibration in read_calibrations().models.values()}
        return cls(known[sha256], read_components()) if sha256 in known else None

    def score(self, image: Image, index: int, logits: NDArray[np.float32]) -> float:
        """Score how much one image is like the predicted digit, as `scores` does for many."""
        return float(self.scores(image[np.newaxis], np.array([index]), logits[np.newaxis])[0])

    def scores(self, images: Batch, indices: NDArray[np.int64], logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score how much images are like the predicted digits, float64 [N]; higher is more alike.

        Args:
            images: the classified images, uint8 [N, 28, 28].
            indices: the predicted classes, int64 [N].
            logits: float32 [N, classes].
        """
        errors = reconstruction_errors(images, self.components, indices)
        return energies(logits) / self.calibration.energy - errors / self.calibration.reconstruction

    def calibrated(self, scores: NDArray[np.float64], score: float) -> NDArray[np.float64]:
        """Replace the largest of a picture's scores by the probability that its label is right; the others share the rest.

        The probability is a logistic function of the margin, the logarithm of the largest over the second score, and of the
        out-of-distribution score, fitted on pictures of validation images (J. Platt, "Probabilistic outputs for support vector machines",
        1999). The order of the scores stays: a label keeps at least the score of the second one.

        Args:
            scores: float64 [classes], which sum to 1.
            score: of the image, by `scores`.
        """
        second, first = np.sort(scores)[-2:]
        by_margin, by_score, constant = self.calibration.confidence
        logit = by_margin * np.log(first / max(second, TINY)) + by_score * score + constant
        share = second / max(1 - first, TINY)  # of the second in the rest
        right = max(1 / (1 + np.exp(-logit)), (1 + 1e-9) * share / (1 + share))  # above the second, if only just
        found = scores * ((1 - right) / max(1 - first, TINY))
        found[scores.argmax()] = right
        return np.asarray(found / found.sum())

    def warnings(self, image: Image, score: float) -> tuple[str, ...]:
        """A warning if an image with this score is unlike any digit."""
        if not image.any() or score >= self.calibration.threshold:
            return ()
        return (f"unlike any digit seen in training (so are {self.calibration.photo_alarms:.1f} % of photos of digits)",)


def energies(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The negative free energies, log(sum(exp(logits))), float64 [N]: high for images like those the model was trained on."""
    largest = logits.max(axis=1).astype(np.float64)
    return np.asarray(largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(axis=1)))


def reconstruction_errors(images: Batch, components: NDArray[np.float32], indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """The squared norms of what the classes' principal components do not explain of images of norm 1: float64 [N], 0 to about 1."""
    rest = (downsample(images) - components[indices, 0]).astype(np.float64)  # in float32, a batch would differ from single images
    explained = np.empty((len(images), components.shape[1] - 1))
    for index in np.unique(indices):
        explained[indices == index] = rest[indices == index] @ components[index, 1:].T.astype(np.float64)
    return np.asarray(np.square(rest).sum(axis=1) - np.square(explained).sum(axis=1))


def downsample(images: Batch) -> NDArray[np.float32]:
    """Reduce images, uint8 [N, 28, 28], to 14x14 means, float32 [N, 196], of norm 1."""
    small = images.reshape(-1, _HALF, 2, _HALF, 2).mean(axis=(2, 4), dtype=np.float32).reshape(len(images), -1)
    return np.asarray(small / np.linalg.norm(small, axis=1, keepdims=True).clip(1e-6))


@lru_cache(maxsize=1)
def read_calibrations(path: Path = CALIBRATIONS) -> Calibrations:
    """Read the statistics that `tools.studies.device.out_of_distribution` computed.

    Raises:
        DataError: the file cannot be read.
    """
    return read_json(Calibrations, path)


@lru_cache(maxsize=1)
def read_components(path: Path = COMPONENTS) -> NDArray[np.float32]:
    """Read the mean and the principal components of each class: float32 [10, 1 + K, 196]."""
    return np.asarray(np.load(path) / STEP, np.float32)
