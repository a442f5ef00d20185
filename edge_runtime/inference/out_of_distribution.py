"""Is an image like the digits of MNIST at all? A model answers one of ten for anything; this says when not to believe it.

Two numbers are added up, each by its spread over validation images: the free energy of the model's logits (W. Liu et al., "Energy-based
out-of-distribution detection", NeurIPS 2020), and how well the image is made up of the principal components of training images of the
class that was answered (S. Wold, "Pattern recognition by means of disjoint principal components models", Pattern Recognition 8 (1976)).
Components are the same for all models; spreads and threshold are of one model, and known for those that the package ships.
`python -m tools.studies.device.out_of_distribution` computes all of them.
"""

from dataclasses import field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.json_codec import read_json
from edge_runtime.common.pixels import SIDE, Image
from edge_runtime.inference.results import Classification
from edge_runtime.model.model_file import MODELS, ModelFile

RECORD = MODELS / "likeness.json"
COMPONENTS = MODELS / "likeness.npy"
STEP = 256
"""Components are kept as int8, in steps of 1/256."""
_HALF = SIDE // 2


@frozen_dataclass
class Calibration:
    """What is known of one model, on validation images.

    sha256: of its FlatBuffer. energy, misfit: the standard deviations that the two parts of the score are divided by. least: the score
    below which an image is unlike any digit. false_alarms: percent of the validation images below it; photo_alarms: of photos of them.
    """

    sha256: str
    energy: float
    misfit: float
    least: float
    false_alarms: float
    photo_alarms: float


@frozen_dataclass
class Calibrations:
    """Of each shipped file, by its name, and percent of pictures of several kinds that are none of digits and were told by it."""

    models: dict[str, Calibration]
    told: dict[str, dict[str, float]]


@frozen_dataclass
class OutOfDistribution:
    """Judges the answers of one model. components: float32 [classes, 1 + K, 196], the mean of each class and K directions from it."""

    calibration: Calibration
    components: NDArray[np.float32] = field(repr=False)

    @classmethod
    def of(cls, model: ModelFile) -> "OutOfDistribution | None":
        """The judge for a model; None if it is none of those that the package ships."""
        if model.manifest is None:
            return None
        sha256 = model.manifest.flatbuffer.sha256
        known = {calibration.sha256: calibration for calibration in read_calibrations().models.values()}
        return cls(known[sha256], read_components()) if sha256 in known else None

    def score(self, image: Image, index: int, logits: NDArray[np.float32]) -> float:
        """How much an image, uint8 [28, 28], is like the digit that it was taken for; more is better.

        Args:
            image: what was classified.
            index: the class that was answered.
            logits: float32 [classes].
        """
        return (
            energy(logits) / self.calibration.energy - reconstruction_error(image, self.components[index]) / self.calibration.misfit
        )

    def warnings(self, image: Image, index: int, logits: NDArray[np.float32]) -> tuple[str, ...]:
        """A text if the image is unlike any digit."""
        if not image.any() or self.score(image, index, logits) >= self.calibration.least:
            return ()
        return (f"unlike any digit seen in training (so are {self.calibration.photo_alarms:.1f} % of photos of digits)",)


def out_of_distribution_warnings(likeness: OutOfDistribution | None, image: Image, result: Classification) -> tuple[str, ...]:
    """A text if the image, uint8 [28, 28], is unlike any digit; none where no judge of the model is known."""
    return likeness.warnings(image, result.index, result.logits) if likeness else ()


def energy(logits: NDArray[np.float32]) -> float:
    """The negative free energy, log(sum(exp(logits))): high where the model knows something of the image."""
    largest = float(logits.max())
    return largest + float(np.log(np.exp(logits.astype(np.float64) - largest).sum()))


def reconstruction_error(image: Image, components: NDArray[np.float32]) -> float:
    """The length of what a class's principal components leave over of an image of length 1, squared; 0 to about 1."""
    rest = downsample(image) - components[0]
    return float(rest @ rest - np.square(components[1:] @ rest).sum())


def downsample(image: Image) -> NDArray[np.float32]:
    """An image, uint8 [28, 28], as 14x14 means, float32 [196], of length 1."""
    small = image.reshape(_HALF, 2, _HALF, 2).mean(axis=(1, 3), dtype=np.float32).ravel()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6))


@lru_cache(maxsize=1)
def read_calibrations(path: Path = RECORD) -> Calibrations:
    """What `tools.studies.device.out_of_distribution` wrote down.

    Raises:
        DataError: the file cannot be read.
    """
    return read_json(Calibrations, path)


@lru_cache(maxsize=1)
def read_components(path: Path = COMPONENTS) -> NDArray[np.float32]:
    """The mean and the principal components of each class: float32 [10, 1 + K, 196]."""
    return np.asarray(np.load(path) / STEP, np.float32)
