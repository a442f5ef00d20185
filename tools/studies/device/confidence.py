"""Computes the confidence of pictures: the weights in edge_runtime/models/out_of_distribution.json, and how well they are calibrated.

Weights are fitted on pictures of validation images: photos, and crops as other data sets have them. The error is that on photos of other
validation images. `python -m tools.studies.device.confidence`, some ten minutes.
"""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.common.text_table import text_table
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.out_of_distribution import CALIBRATIONS, OutOfDistribution, read_calibrations
from edge_runtime.preprocessing.image_files import Picture, to_picture
from tests.photos import CROPS, crop_picture, invent_scene, photograph
from tools.release.layout import Layout, run
from train.data import Split, load_dataset

PHOTOS, CROPS_OF_EACH = 1_000, 300
"""Photos and crops of each kind to fit on; as many photos to measure the error on."""
PHOTOS_WEIGHT = 3.0
"""Weight of all photos beside all crops of a kind."""
BINS = 15
_MARGIN_ALONE = (1.0, 0.0, 0.0)
"""Weights by which the logit of the confidence is the margin."""


class Judged(NamedTuple):
    """Pictures as a model judges them: margin and score, float64 [N]; right, bool [N]; weight, float64 [N]."""

    margin: NDArray[np.float64]
    score: NDArray[np.float64]
    right: NDArray[np.bool_]
    weight: NDArray[np.float64]


def main() -> None:
    """Fit each shipped model, and write the weights."""
    argparse.ArgumentParser(
        prog="python -m tools.studies.device.confidence", description="Calibrate the confidence of pictures."
    ).parse_args()
    split = load_dataset().validation
    kinds = {"photo": list(_photos(split, 0)), **{kind: list(_crops(split, kind)) for kind in CROPS}}
    labels = {"photo": split.labels[:PHOTOS], **dict.fromkeys(CROPS, split.labels[PHOTOS : PHOTOS + CROPS_OF_EACH])}
    others, other_labels = list(_photos(split, PHOTOS)), split.labels[PHOTOS : 2 * PHOTOS]
    found = read_calibrations()
    models, rows = dict(found.models), []
    for path in sorted(Layout().models.glob("*.tflite")):
        with Classifier.load(path) as classifier:
            parts = [
                judged(classifier, pictures, labels[kind], PHOTOS_WEIGHT if kind == "photo" else 1.0)
                for kind, pictures in kinds.items()
            ]
            weights = fit(Judged(*(np.concatenate(column) for column in zip(*parts, strict=True))))
            error = calibration_error(judged(classifier, others, other_labels, 1.0), weights)
        models[path.stem] = dataclasses.replace(models[path.stem], confidence=weights, confidence_error=round(100 * error, 2))
        rows.append([path.stem, *(f"{weight:.3f}" for weight in weights), f"{100 * error:.2f} %"])
    write_file(CALIBRATIONS, to_json(dataclasses.replace(found, models=models), indent=1) + "\n", force=True)
    print(text_table(("model", "margin", "score", "constant", "calibration error on photos"), rows))


def judged(classifier: Classifier, pictures: Sequence[Picture], labels: NDArray[np.uint8], weight: float) -> Judged:
    """Classify pictures, and keep what the confidence follows from; pictures without a digit are left out."""
    detector = classifier.out_of_distribution
    assert detector is not None
    calibration = dataclasses.replace(detector.calibration, confidence=_MARGIN_ALONE)
    classifier.out_of_distribution = OutOfDistribution(calibration, detector.components)
    predictions = [(found, label) for found, label in zip(classifier.classify_pictures(pictures), labels.tolist(), strict=True)]
    answered = [(found, label) for found, label in predictions if found.confidence is not None]
    images = np.stack([found.picture.image for found, _ in answered])
    indices = np.array([found.index for found, _ in answered])
    confidence = np.array([found.confidence for found, _ in answered], np.float64).clip(1e-9, 1 - 1e-9)
    return Judged(
        np.log(confidence / (1 - confidence)),
        detector.scores(images, indices, classifier.classify_batch(images).logits),
        indices == np.array([label for _, label in answered]),
        np.full(len(answered), weight / len(answered)),
    )


def fit(pictures: Judged) -> tuple[float, float, float]:
    """Weights of margin and score, and the constant, by weighted logistic regression."""
    features = np.stack([pictures.margin, pictures.score, np.ones_like(pictures.score)], axis=1)
    signs = np.where(pictures.right, -1.0, 1.0)

    def loss(weights: NDArray[np.float64]) -> float:
        return float((pictures.weight * np.logaddexp(0, signs * (features @ weights))).sum() + 1e-4 * (weights**2).sum())

    margin, score, constant = (round(float(weight), 4) for weight in minimize(loss, np.zeros(3), method="BFGS").x)
    return margin, score, constant


def calibration_error(pictures: Judged, weights: tuple[float, float, float]) -> float:
    """The expected calibration error: C. Guo et al., "On calibration of modern neural networks", ICML 2017, with 15 bins."""
    confidence = 1 / (1 + np.exp(-(weights[0] * pictures.margin + weights[1] * pictures.score + weights[2])))
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(float((confidence - pictures.right)[bins == number].sum())) for number in range(BINS)]
    return sum(gaps) / len(confidence)


def _photos(split: Split, first: int) -> Iterator[Picture]:
    return (to_picture(photograph(split.images[number], invent_scene(number))) for number in range(first, first + PHOTOS))


def _crops(split: Split, kind: str) -> Iterator[Picture]:
    return (to_picture(crop_picture(split.images[PHOTOS + number], kind, number)) for number in range(CROPS_OF_EACH))


if __name__ == "__main__":
    run(main)
