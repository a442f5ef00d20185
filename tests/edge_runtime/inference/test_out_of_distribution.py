"""What is unlike any digit is told; the committed calibration is that of the shipped files."""

from pathlib import Path

import numpy as np
import pytest

from edge_runtime import Classifier
from edge_runtime.inference.out_of_distribution import (
    OutOfDistribution,
    downsample,
    energies,
    read_calibrations,
    read_components,
    reconstruction_errors,
)
from edge_runtime.model.model_file import MODELS, read_model_file
from edge_runtime.preprocessing.pipeline import read_photo
from tests.nondigits import invent_scribble, invent_texture
from train.data import Dataset

CLASSIFIER = Classifier.load()


def _told(images: np.ndarray, classifier: Classifier = CLASSIFIER) -> float:
    """Share of images that are called unlike a digit."""
    detector = OutOfDistribution.of(classifier.model)
    assert detector is not None
    answers = classifier.classify_batch(images)
    scores = detector.scores(images, answers.indices, answers.logits).tolist()
    return float(np.mean([bool(detector.warnings(image, score)) for image, score in zip(images, scores, strict=True)]))


def test_every_shipped_file_is_calibrated_and_no_other(cnn_files: dict[str, Path]) -> None:
    """By the hash of its FlatBuffer; of another model nothing is said, and of a plain file neither."""
    assert set(read_calibrations().models) == {path.stem for path in MODELS.glob("*.tflite")}
    for path in MODELS.glob("*.tflite"):
        detector = OutOfDistribution.of(read_model_file(path))
        assert detector is not None
        assert detector.calibration == read_calibrations().models[path.stem]
    assert OutOfDistribution.of(read_model_file(cnn_files["int8"])) is None


@pytest.mark.parametrize("model", ["small", "nano", "base"])
def test_false_alarms_are_as_rare_as_it_says(model: str, mnist: Dataset) -> None:
    """Of 1,500 validation images, 1 % but for chance."""
    classifier = Classifier.load(model)
    calibration = read_calibrations().models[f"{model}-int8"]
    assert calibration.false_alarms == pytest.approx(1.0, abs=0.05)
    assert calibration.photo_alarms < 3
    assert 0.002 < _told(mnist.validation.images[:1500], classifier) < 0.02


def test_most_of_what_is_no_digit_is_told() -> None:
    """Scribbles and textures of seeds that neither the calibration nor its figures saw."""
    scribbles = np.stack([read_photo(255 - invent_scribble(seed)).image for seed in range(900_000, 900_030)])
    textures = np.stack([read_photo(255 - invent_texture(seed)).image for seed in range(900_000, 900_030)])
    assert _told(scribbles) > 0.7
    assert _told(textures) > 0.4


def test_a_blank_image_is_called_blank_and_nothing_else() -> None:
    """There is nothing to be unlike."""
    assert _told(np.zeros((1, 28, 28), np.uint8)) == 0


def test_the_energy_is_the_logarithm_of_the_sum_of_exponentials() -> None:
    """Without overflow."""
    logits = np.array([[1.0, 2.0, -3.0], [2000.0, 2000.0, 0.0]], np.float32)
    assert energies(logits) == pytest.approx([np.log(np.exp(logits[0]).sum()), 2000 + np.log(2)])


def test_the_misfit_is_what_components_leave_over(mnist: Dataset) -> None:
    """Between 0 and about 1, smaller for a digit's own class than for others; components are nearly orthonormal."""
    components = read_components()
    assert components.shape == (10, 25, 196)
    for own in components:
        assert own[1:] @ own[1:].T == pytest.approx(np.eye(24), abs=0.05)
    images, labels = mnist.validation.images[:100], mnist.validation.labels[:100]
    misfits = np.stack([reconstruction_errors(images, components, np.full(100, label)) for label in range(10)], axis=1)
    assert misfits.min() > -0.05
    assert misfits.max() < 1.2
    assert np.mean(misfits.argmin(axis=1) == labels) > 0.9
    assert np.linalg.norm(downsample(images[:1])) == pytest.approx(1)
    assert not downsample(np.zeros((1, 28, 28), np.uint8)).any()
