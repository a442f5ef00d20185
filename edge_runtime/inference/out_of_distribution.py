"""Detect images that are unlike MNIST's digits, for which a model's label is meaningless.

The score is the sum of two terms, each divided by its standard deviation over validation images: the negative free energy of the logits
(W. Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020), and the error of reconstructing the image from principal
components of the predicted class, negated (S. Wold, "Pattern recognition by means of disjoint principal components models", Pattern
Recognition 8 (1976)). The components serve all models; deviations and threshold exist for the shipped models alone.
`python -m tools.studies.device.out_of_distribution` computes them.
"""

from dataclasses import field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.json_codec import read_json
from edge_runtime.common.pixels import SIDE, Image
from edge_runtime.model.model_file import MODELS, ModelFile

CALIBRATIONS = MODELS / "out_of_distribution.json"
COMPONENTS = MODELS / "out_of_distribution.npy"
STEP = 256
"""Components are stored as int8, in steps of 1/256."""
_HALF = SIDE // 2


@frozen_dataclass
class Calibration:
    """Statistics of one model on validation images.

    sha256: hash of its FlatBuffer. energy, reconstruction: standard deviations of the two terms of the score. threshold: an image with a
    lower score is unlike any digit. false_alarms: percent of validation images below it. photo_alarms: percent of photos of them below it.
    """

    sha256: str
    energy: float
    reconstruction: float
    threshold: float
    false_alarms: float
    photo_alarms: float


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
        """Score how much an image is like the predicted digit; higher is more alike.

        Args:
            image: the classified image, uint8 [28, 28].
            index: the predicted class.
            logits: float32 [classes].
        """
        return (
            energy(logits) / self.calibration.energy
            - reconstruction_error(image, self.components[index]) / self.calibration.reconstruction
        )

    def warnings(self, image: Image, index: int, logits: NDArray[np.float32]) -> tuple[str, ...]:
        """A warning if the image is unlike any digit. Arguments as of `score`."""
        if not image.any() or self.score(image, index, logits) >= self.calibration.threshold:
            return ()
        return (f"unlike any digit seen in training (so are {self.calibration.photo_alarms:.1f} % of photos of digits)",)


def energy(logits: NDArray[np.float32]) -> float:
    """The negative free energy, log(sum(exp(logits))): high for images like those the model was trained on."""
    largest = float(logits.max())
    return largest + float(np.log(np.exp(logits.astype(np.float64) - largest).sum()))


def reconstruction_error(image: Image, components: NDArray[np.float32]) -> float:
    """The squared norm of what a class's principal components do not explain of an image of norm 1: 0 to about 1."""
    rest = downsample(image) - components[0]
    return float(rest @ rest - np.square(components[1:] @ rest).sum())


def downsample(image: Image) -> NDArray[np.float32]:
    """Reduce an image, uint8 [28, 28], to 14x14 means, float32 [196], of norm 1."""
    small = image.reshape(_HALF, 2, _HALF, 2).mean(axis=(1, 3), dtype=np.float32).ravel()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6))


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
