"""Computes what edge_runtime/inference/out_of_distribution.py judges by, and how often it is right.

Run `tools.studies.device.confidence` after it. Principal components are of training images, spreads and thresholds of validation images,
and what it tells apart of pictures invented here that are no digits: by the fonts and seeds of `DEVELOPMENT` the score was chosen, those
of `HELD_APART` are in the record.
"""

import argparse
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.common.pixels import Batch
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import DataError
from edge_runtime.inference.classifier import Classifications, Classifier
from edge_runtime.inference.out_of_distribution import (
    CALIBRATIONS,
    COMPONENTS,
    STEP,
    Calibration,
    Calibrations,
    downsample,
    energies,
    read_components,
    reconstruction_errors,
)
from edge_runtime.preprocessing.pipeline import read_photo
from tests.nondigits import invent_scribble, invent_shape, invent_texture, letters_of
from tests.photos import invent_scene, photograph
from tools.release.layout import Layout, run
from train.data import Dataset, load_dataset

DIRECTIONS = 24
FALSE_ALARMS = 1.0
"""Percent of the validation images that may be called unlike a digit."""
PHOTOS = 1_000
DRAWINGS = 500
_TRUETYPE = Path("/usr/share/fonts/truetype")
DEVELOPMENT = (
    0,
    tuple(_TRUETYPE / "dejavu" / f"DejaVu{name}.ttf" for name in ("Sans", "Sans-ExtraLight", "Serif", "SansMono-Bold")),
)
HELD_APART = (
    100_000,
    (
        *(_TRUETYPE / "liberation" / f"Liberation{name}.ttf" for name in ("Sans-Regular", "Serif-Italic", "Mono-Bold")),
        _TRUETYPE / "humor-sans" / "Humor-Sans.ttf",
        _TRUETYPE / "rufscript" / "Rufscript010.ttf",
        _TRUETYPE / "klee" / "KleeOne-Regular.ttf",
    ),
)


def main() -> None:
    """Write the components and the record."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.studies.device.out_of_distribution", description="Calibrate what tells digits from other pictures."
    )
    parser.add_argument(
        "--development", action="store_true", help="only show the figures of the pictures that choices were made by"
    )
    development = parser.parse_args().development
    data = load_dataset()
    if not development:
        write_file(COMPONENTS, npy_bytes(principal_components(data)), force=True)
    others = nondigits(*(DEVELOPMENT if development else HELD_APART))
    photos = photos_of(data)
    files = sorted(Layout().models.glob("*.tflite"))
    models, detection_rates = {}, {}
    for path in files:
        models[path.stem], detection_rates[path.stem] = calibrate(Classifier.load(path), data, photos, others)
    if not development:
        write_file(CALIBRATIONS, to_json(Calibrations(models, detection_rates), indent=1) + "\n", force=True)
    print(
        text_table(
            ("model", "false alarms", "on photos", *others), [_row(name, models[name], detection_rates[name]) for name in models]
        )
    )


def _row(name: str, calibration: Calibration, detection_rates: Mapping[str, float]) -> list[str]:
    return [name, *(f"{value:.1f} %" for value in (calibration.false_alarms, calibration.photo_alarms, *detection_rates.values()))]


def principal_components(data: Dataset) -> NDArray[np.int8]:
    """The mean of each class and the directions of its largest variances over the training images, int8 [classes, 1 + K, 196]."""
    found = np.empty((data.classes, 1 + DIRECTIONS, downsample(data.train.images[:1]).size))
    for label in range(data.classes):
        halves = downsample(data.train.images[data.train.labels == label])
        found[label, 0] = halves.mean(axis=0)
        found[label, 1:] = np.linalg.eigh(np.cov(halves.T))[1][:, : -DIRECTIONS - 1 : -1].T
    return np.rint(found * STEP).clip(-128, 127).astype(np.int8)


def npy_bytes(array: NDArray[np.int8]) -> bytes:
    """An array as the content of an .npy file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def photos_of(data: Dataset) -> Batch:
    """Photos of validation images, brought back to 28x28."""
    return np.stack([read_photo(photograph(data.validation.images[seed], invent_scene(seed))).image for seed in range(PHOTOS)])


def nondigits(first_seed: int, fonts: tuple[Path, ...]) -> dict[str, Batch]:
    """Pictures that are no digits, by kind, brought to 28x28 as photos are.

    Raises:
        DataError: a font is not installed.
    """
    missing = [font for font in fonts if not font.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: no such font; install Debian's fonts (docs/results/photos.md lists them)")
    seeds = range(first_seed, first_seed + DRAWINGS)
    drawings = {
        "letters": [letter for font in fonts for letter in letters_of(str(font))],
        "scribbles": [invent_scribble(seed) for seed in seeds],
        "shapes": [invent_shape(seed) for seed in seeds],
        "textures": [invent_texture(seed) for seed in seeds],
    }
    return {kind: np.stack([read_photo(255 - drawing).image for drawing in kinds]) for kind, kinds in drawings.items()}


def calibrate(
    classifier: Classifier, data: Dataset, photos: Batch, others: Mapping[str, Batch]
) -> tuple[Calibration, dict[str, float]]:
    """What the judge needs to know of a model, and percent of each kind of other pictures that it tells."""
    digits = _parts(classifier.classify_batch(data.validation.images), data.validation.images)
    spreads = digits.std(axis=0)
    threshold = float(np.quantile(_scores(digits, spreads), FALSE_ALARMS / 100))

    def below(parts: NDArray[np.float64]) -> float:
        return round(100 * float((_scores(parts, spreads) < threshold).mean()), 2)

    alarms = below(digits), below(_parts(classifier.classify_batch(photos), photos))
    detection_rates = {kind: below(_parts(classifier.classify_batch(images), images)) for kind, images in others.items()}
    calibration = Calibration(
        classifier.model.sha256,
        float(spreads[0]),
        float(spreads[1]),
        threshold,
        *alarms,
        confidence=(1.0, 0.0, 0.0),
        confidence_error=0.0,
    )
    return calibration, detection_rates


def _parts(answers: Classifications, images: Batch) -> NDArray[np.float64]:
    """Energy and misfit of each image: float64 [N, 2]."""
    errors = reconstruction_errors(images, read_components(), answers.indices)
    return np.stack([energies(answers.logits), errors], axis=1)


def _scores(parts: NDArray[np.float64], spreads: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(parts[:, 0] / spreads[0] - parts[:, 1] / spreads[1])


if __name__ == "__main__":
    run(main)
