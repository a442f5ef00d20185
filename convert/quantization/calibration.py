"""Calibration images, on which activation ranges are measured, and whether they differ from training images."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.quantization.activation_ranges import METHODS
from edge_runtime.common.pixels import SIDE
from edge_runtime.errors import BadArgument, DataError
from train.data import Split, calibration_indices
from train.runs.store import TrainingRecord

_MAX_IMAGES = 60_000
_MAX_STANDARD_ERRORS = 5.0  # exceeded by chance about once in two million


@dataclass(frozen=True)
class CalibrationSettings:
    """How activation ranges are measured.

    method: one of `convert.quantization.activation_ranges.METHODS`.
    per_class: number of training images of each class; None for those that training.json lists, else 50.
    images: .npy file of uint8 [N, 28, 28], to use instead of training images.

    Raises:
        BadArgument: unknown method, or both `per_class` and `images`.
    """

    method: str = "min-max"
    per_class: int | None = None
    images: Path | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadArgument(f"unknown calibration method {self.method!r}; known are {', '.join(METHODS)}")
        if self.per_class is not None and self.images is not None:
            raise BadArgument("give --calibration-count or --calibration-images, not both")

    @property
    def command_options(self) -> str:
        """The settings as command-line options."""
        words = [f" --calibration {self.method}"] if self.method != "min-max" else []
        words += [f" --calibration-count {self.per_class}"] if self.per_class is not None else []
        words += [f" --calibration-images {self.images.name}"] if self.images is not None else []
        return "".join(words)


DEFAULT_CALIBRATION = CalibrationSettings()


@dataclass(frozen=True)
class Calibration:
    """Calibration images, uint8 [N, 28, 28]. indices: of training images; empty if they came from a file."""

    images: NDArray[np.uint8] = field(repr=False)
    indices: tuple[int, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """Number of images, and SHA-256 of the indices (int64, little-endian), or of the pixels if they came from a file."""
        key, content = ("indices", np.array(self.indices, "<i8")) if self.indices else ("pixels", self.images)
        return {"images": len(self.images), f"{key}_sha256": hashlib.sha256(content.tobytes()).hexdigest()}


def choose_calibration(settings: CalibrationSettings, train: Split, record: TrainingRecord | None) -> Calibration:
    """Choose the calibration images by the settings.

    Raises:
        DataError: the file cannot be used, or a class has no image.
        BadArgument: `per_class` is less than 1.
    """
    if settings.images is not None:
        return Calibration(_read(settings.images))
    if settings.per_class is None and record:
        indices = np.array(record.calibration_indices)
    elif settings.per_class is None:
        indices = calibration_indices(train.labels)
    elif settings.per_class < 1:
        raise BadArgument(f"--calibration-count is {settings.per_class}, expected 1 or more")
    else:
        indices = calibration_indices(train.labels, settings.per_class)
    return Calibration(train.images[indices], tuple(indices.tolist()))


def calibration_warnings(images: NDArray[np.uint8], train: NDArray[np.uint8]) -> list[str]:
    """Describe how calibration images differ from training images by more than chance explains.

    The mean grey level, the darkest and the brightest pixel of an image are compared, each averaged over the images. The standard error of
    such an average is the standard deviation over training images divided by the square root of N.

    Args:
        images: uint8 [N, 28, 28], to calibrate with.
        train: uint8 [M, 28, 28], that the model was trained on.

    Returns:
        A sentence for each difference; none if there is none.
    """
    differences = []
    for name, statistic in (("mean grey level", np.mean), ("darkest pixel", np.min), ("brightest pixel", np.max)):
        ours, expected = (np.asarray(statistic(part, axis=(1, 2)), np.float64) for part in (images, train))
        standard_error = expected.std() / len(ours) ** 0.5
        # One grey level does not matter, however small the standard error is.
        if abs(ours.mean() - expected.mean()) > max(_MAX_STANDARD_ERRORS * standard_error, 1.0):
            differences.append(
                f"the {name} of calibration images is {ours.mean():.1f} on average, of training images {expected.mean():.1f}"
            )
    return differences


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with path.open("rb") as file:
            images = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path}: cannot be read as an .npy file ({error})") from error
    if images.dtype != np.uint8 or images.shape[1:] not in ((SIDE, SIDE), (SIDE, SIDE, 1)) or not 1 <= len(images) <= _MAX_IMAGES:
        raise DataError(
            f"{path}: holds {images.dtype} {list(images.shape)}, expected 1 to {_MAX_IMAGES:,} calibration images as uint8 [N, 28, 28]"
        )
    return np.ascontiguousarray(images.reshape(-1, SIDE, SIDE))
