"""Several readings of a picture become one answer: by their priors, and by how much they are like digits."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_runtime import Classifier, ModelFileError
from edge_runtime.inference.decision import DIGITS, decide_all, readings_of
from edge_runtime.inference.results import Classifications
from edge_runtime.model.graph import Tensor
from edge_runtime.preprocessing.image_files import Picture, to_picture
from tests.photos import crop_picture, invent_scene, photograph
from train.data import Dataset

CLASSIFIER = Classifier.load()


def _results(*scores: tuple[float, ...]) -> Classifications:
    """Results with these probabilities, of two classes."""
    logits = np.log(np.array(scores, np.float32))
    output = dataclasses.replace(CLASSIFIER.model.output, dtype="float32")
    assert isinstance(output, Tensor)
    return Classifications(logits.argmax(axis=1), logits, ("no", "yes"), output, 1.0)


def _picture(reading: str, prior: float, warnings: tuple[str, ...] = (), *, blank: bool = False) -> Picture:
    return Picture(np.full((28, 28), 9, np.uint8), warnings, blank=blank, reading=reading, prior=prior)


def test_scores_are_the_mean_weighted_by_priors() -> None:
    """Without a detector by nothing else; what is shown is the heaviest reading that agrees with the answer."""
    first, second, third = _picture("photo", 0.0, ("small: ...",)), _picture("crop", np.log(2)), _picture("narrowed", 0.0)
    (found,) = decide_all(["a"], [(first, second, third)], _results((0.1, 0.9), (0.6, 0.4), (0.3, 0.7)), None)
    assert found.readings == (("photo", pytest.approx(0.25)), ("crop", pytest.approx(0.5)), ("narrowed", pytest.approx(0.25)))
    assert found.scores == pytest.approx([0.4, 0.6])
    assert (found.label, found.index, found.confidence) == ("yes", 1, pytest.approx(0.6))
    assert found.picture is first
    assert (found.source, found.warnings) == ("a", ("small: ...",))


def test_a_blank_reading_does_not_count() -> None:
    """If all are blank there is no answer, with the warnings of the first."""
    blank, whole = _picture("photo", 0.0, ("blank: ...",), blank=True), _picture("crop", -9.0)
    answers = decide_all(["a", "b"], [(blank, whole), (blank, blank)], _results(*[(0.2, 0.8)] * 4), None)
    assert [answer.label for answer in answers] == ["yes", None]
    assert answers[0].readings == (("crop", 1.0),)
    assert (answers[1].index, answers[1].confidence, answers[1].scores, answers[1].warnings) == (None, None, None, ("blank: ...",))
    assert answers[1].fields()["scores"] is None


def test_the_reading_that_is_like_a_digit_weighs_more(mnist: Dataset) -> None:
    """By the detector of the model: noise is unlike any."""
    noise = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    pictures = (Picture(noise, ()), Picture(mnist.x_test[0], ()))
    results = CLASSIFIER.classify_batch(np.stack([noise, mnist.x_test[0]]))
    (found,) = decide_all([""], [pictures], results, CLASSIFIER.out_of_distribution)
    assert found.label == "7"
    assert found.readings[1][1] > 0.9


def test_outputs_that_are_not_finite_are_an_error() -> None:
    """As of a model whose weights are damaged."""
    with pytest.raises(ModelFileError, match="NaN or infinite"):
        decide_all(["a"], [(_picture("photo", 0.0),)], _results((np.nan, 0.5)), None)


def test_a_model_of_something_else_gets_one_reading() -> None:
    """By its labels; and one that may know another form, by a picture of its input's size."""
    crop = _picture("crop", 0.0)
    picture = dataclasses.replace(_picture("photo", 0.0), alternatives=(crop,))
    own = dataclasses.replace(picture, reading="unchanged")
    detector = CLASSIFIER.out_of_distribution
    assert readings_of(picture, DIGITS, None) == (picture, crop)
    assert readings_of(own, DIGITS, detector) == (own, crop)
    assert readings_of(own, DIGITS, None) == (own,)
    assert readings_of(picture, ("no", "yes"), detector) == (picture,)


@given(st.lists(st.floats(1e-6, 1), min_size=2, max_size=12, unique=True), st.floats(-60, 30))
@example([1.0, 0.5, 0.875, 0.9999999999999999], 0.0)  # two scores that division makes equal
def test_calibrated_scores_keep_their_order(raw: list[float], score: float) -> None:
    """They sum to 1, and the largest rises with the out-of-distribution score."""
    detector = CLASSIFIER.out_of_distribution
    assert detector is not None
    scores = np.array(raw) / sum(raw)
    found = detector.calibrated(scores, score)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0
    assert found.argmax() == scores.argmax()
    order = np.lexsort((found, scores))  # equal scores are in no order
    assert np.all(np.diff(found[order]) >= -1e-12)
    assert found.max() <= detector.calibrated(scores, score + 1).max() + 1e-12


def test_a_confidence_is_the_probability_of_being_right(mnist: Dataset) -> None:
    """Of crops that the weights were not fitted on: the mean confidence is the share of right answers, within 3 points."""
    numbers = range(3_000, 3_120)
    pictures = [to_picture(crop_picture(mnist.validation.images[number], "tight", number)) for number in numbers]
    found = CLASSIFIER.classify_pictures(pictures)
    right = np.mean([answer.label == str(mnist.validation.labels[number]) for answer, number in zip(found, numbers, strict=True)])
    assert np.mean([answer.confidence for answer in found]) == pytest.approx(right, abs=0.03)


@pytest.mark.sweep
def test_confidences_of_photos_are_calibrated(mnist: Dataset) -> None:
    """An expected calibration error of at most 2 %, on photos of 1,000 validation images that the weights were not fitted on."""
    numbers = range(2_000, 3_000)
    found = [CLASSIFIER.classify_picture(to_picture(photograph(mnist.validation.images[n], invent_scene(n)))) for n in numbers]
    confidence = np.array([answer.confidence or 0.0 for answer in found])
    right = np.array([answer.label == str(mnist.validation.labels[n]) for answer, n in zip(found, numbers, strict=True)])
    bins = np.minimum((15 * confidence).astype(int), 14)
    assert sum(abs((confidence - right)[bins == number].sum()) for number in range(15)) / len(right) <= 0.02


def test_a_doubtful_answer_names_the_second(mnist: Dataset) -> None:
    """Where the model gives two labels about the same score."""
    image = mnist.validation.images[np.flatnonzero(mnist.validation.labels == 4)[0]]
    certain = CLASSIFIER.classify_batch(image[np.newaxis])
    scores = np.full((1, 10), 0.00625)
    scores[0, [4, 9]] = 0.5, 0.45
    output = dataclasses.replace(CLASSIFIER.model.output, dtype="float32")
    doubtful = Classifications(np.array([4]), np.log(scores).astype(np.float32), DIGITS, output, 1.0)
    detector = CLASSIFIER.out_of_distribution
    (sure,), (unsure,) = (decide_all([""], [(Picture(image, ()),)], results, detector) for results in (certain, doubtful))
    assert (sure.label, unsure.label) == ("4", "4")
    assert sure.warnings == ()
    assert unsure.warnings[0].startswith(("unsure: may be 9 (", "unlike any digit"))
    assert sure.confidence is not None
    assert unsure.confidence is not None
    assert sure.confidence > 0.99
    assert unsure.confidence < 0.7
