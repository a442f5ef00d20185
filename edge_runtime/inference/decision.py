"""Decide between the readings of a picture, and whether it shows a digit at all."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_runtime.inference.results import Classifications, Prediction, check_finite

if TYPE_CHECKING:
    from edge_runtime.inference.out_of_distribution import OutOfDistribution
    from edge_runtime.preprocessing.image_files import Picture

DIGITS = tuple("0123456789")
"""Labels of models for which a picture is read in several ways: MNIST's form is that of digits."""
UNSURE = 0.7
"""Least probability of a label without a warning. Chosen on validation images and real pictures."""
SHARPNESS = 0.4
"""How much a unit of the out-of-distribution score weighs, as a logarithm. Chosen on validation images and real pictures."""


def readings_of(picture: "Picture", labels: Sequence[str], detector: "OutOfDistribution | None") -> "tuple[Picture, ...]":
    """The readings of a picture that a model has to classify: the picture, then its alternatives.

    A model with other labels than the digits gets the picture alone. So does one without a detector if the picture has the size of the
    model's input: nothing would tell whether the model knows MNIST's form.
    """
    own_form = detector is None and picture.reading == "unchanged"
    return (picture,) if own_form or tuple(labels) != DIGITS else (picture, *picture.alternatives)


def decide_all(
    sources: Sequence[str],
    readings: "Sequence[Sequence[Picture]]",
    results: Classifications,
    detector: "OutOfDistribution | None",
) -> list[Prediction]:
    """Answer for pictures from the results for all their readings, one after the other.

    The scores of a picture are the mean over its readings, weighted by exp(prior + 0.4 out-of-distribution score): the posterior
    probability of each class if one of the readings is right. They are then calibrated, so that the largest is the probability that the
    label is right. Without a detector the priors alone weigh, and nothing is calibrated.

    Args:
        sources: path or name of each picture.
        readings: of each picture, as `readings_of` returns them.
        results: one for each reading.
        detector: the out-of-distribution detector of the model.

    Raises:
        ModelFileError: the model's outputs are NaN or infinite.
    """
    scores = results.scores
    check_finite(scores)
    alike = np.zeros(len(results))
    if detector:
        images = np.stack([reading.image for each in readings for reading in each])
        alike = detector.scores(images, results.indices, results.logits)
    predictions, start = [], 0
    for source, each in zip(sources, readings, strict=True):
        rows = slice(start, start + len(each))
        predictions.append(_decide(source, each, scores[rows], alike[rows], results.labels_of_classes, detector))
        start = rows.stop
    return predictions


def _decide(
    source: str,
    readings: "Sequence[Picture]",
    scores: NDArray[np.float64],
    alike: NDArray[np.float64],
    labels: tuple[str, ...],
    detector: "OutOfDistribution | None",
) -> Prediction:
    found = [position for position, reading in enumerate(readings) if not reading.blank]
    if not found:
        return Prediction(source, readings[0], (), None, labels, readings[0].warnings)
    if len(found) == 1:
        weights, mixed, chosen = np.ones(1), scores[found[0]], 0
    else:
        weights = _normalized(np.array([readings[position].prior for position in found]) + SHARPNESS * alike[found])
        mixed = weights @ scores[found]
        agrees = scores[found].argmax(axis=1) == mixed.argmax()
        chosen = int(np.where(agrees, weights, -1).argmax())
    picture, warnings = readings[found[chosen]], readings[found[chosen]].warnings
    if detector:
        score = float(alike[found[chosen]])
        mixed = detector.calibrated(mixed, score)
        warnings += detector.warnings(picture.image, score) or _doubts(mixed, labels)
    names = tuple((readings[position].reading, float(weight)) for position, weight in zip(found, weights, strict=True))
    return Prediction(source, picture, names, mixed, labels, warnings)


def _doubts(scores: NDArray[np.float64], labels: tuple[str, ...]) -> tuple[str, ...]:
    """A warning if the label is probably right, but not by far."""
    second, first = np.argsort(scores)[-2:]
    if scores[first] >= UNSURE:
        return ()
    return (f"unsure: may be {labels[second]} ({scores[second]:.0%})",)


def _normalized(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logarithms - logarithms.max())
    return np.asarray(weights / weights.sum())
