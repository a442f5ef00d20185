"""The images that ranges are measured on: which, how many, and whether they are like those that the model will see."""

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

_MOST_IMAGES = 60_000
_UNLIKE = 5.0  # standard errors; by chance once in some million


@dataclass(frozen=True)
class CalibrationSettings:
    """How ranges are to be found.

    method: one of `convert.quantization.activation_ranges.METHODS`.
    per_class: so many training images of each class; None for those that training wrote down, else 50.
    images: an .npy file, uint8 [N, 28, 28], to be used in place of training images.

    Raises:
        BadArgument: no such method, or both a number and a file.
    """

    method: str = "min-max"
    per_class: int | None = None
    images: Path | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadArgument(f"unknown calibration method {self.method!r}; known are {', '.join(METHODS)}")
        if self.per_class is not None and self.images is not None:
            raise BadArgument("calibration images are either so many of each class or those of a file, not both")

    @property
    def words(self) -> str:
        """The options of a command that has these settings."""
        words = [f" --calibration {self.method}"] if self.method != "min-max" else []
        words += [f" --calibration-count {self.per_class}"] if self.per_class is not None else []
        words += [f" --calibration-images {self.images.name}"] if self.images is not None else []
        return "".join(words)


DEFAULT_CALIBRATION = CalibrationSettings()


@dataclass(frozen=True)
class Calibration:
    """Images to measure ranges on: uint8 [N, 28, 28]. indices: of training images; empty if they came from a file."""

    images: NDArray[np.uint8] = field(repr=False)
    indices: tuple[int, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """Their number, and the SHA-256 of their indices (int64, little-endian), or of the pixels if they came from a file."""
        key, content = ("indices", np.array(self.indices, "<i8")) if self.indices else ("pixels", self.images)
        return {"images": len(self.images), f"{key}_sha256": hashlib.sha256(content.tobytes()).hexdigest()}


def choose_calibration(settings: CalibrationSettings, train: Split, record: TrainingRecord | None) -> Calibration:
    """The images that the settings ask for.

    Raises:
        DataError: the file cannot be used, or a class has no image.
        BadArgument: less than one image of each class is asked for.
    """
    if settings.images is not None:
        return Calibration(_read(settings.images))
    if settings.per_class is None and record:
        indices = np.array(record.calibration_indices)
    elif settings.per_class is None:
        indices = calibration_indices(train.labels)
    elif settings.per_class < 1:
        raise BadArgument(f"{settings.per_class} images of each class, expected 1 or more")
    else:
        indices = calibration_indices(train.labels, settings.per_class)
    return Calibration(train.images[indices], tuple(indices.tolist()))


def calibration_warnings(images: NDArray[np.uint8], train: NDArray[np.uint8]) -> list[str]:
    """In what calibration images differ from training images more than chance explains: the mean grey level, and the range.

    A grey level's mean over an image scatters from image to image; over N images their mean scatters by that divided by the root of N.
    The darkest and the brightest pixel of an image are held against those of training images alike.

    Args:
        images: uint8 [N, 28, 28], to calibrate with.
        train: uint8 [M, 28, 28], what the model was trained on.

    Returns:
        A sentence for each difference; none if the images look alike.
    """
    found = []
    for what, of in (("mean grey level", np.mean), ("darkest pixel", np.min), ("brightest pixel", np.max)):
        mine, theirs = (np.asarray(of(part, axis=(1, 2)), np.float64) for part in (images, train))
        expected = theirs.std() / len(mine) ** 0.5
        if abs(mine.mean() - theirs.mean()) > max(_UNLIKE * expected, 1.0):  # a grey level either way is no matter
            found.append(
                f"the {what} of calibration images is {mine.mean():.1f} on average, of training images {theirs.mean():.1f}"
            )
    return found


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with path.open("rb") as file:
            images = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path}: cannot be read as an .npy file ({error})") from error
    if images.dtype != np.uint8 or images.shape[1:] not in ((SIDE, SIDE), (SIDE, SIDE, 1)) or not 1 <= len(images) <= _MOST_IMAGES:
        raise DataError(
            f"{path}: holds {images.dtype} {list(images.shape)}, expected 1 to {_MOST_IMAGES:,} calibration images as uint8 [N, 28, 28]"
        )
    return np.ascontiguousarray(images.reshape(-1, SIDE, SIDE))
