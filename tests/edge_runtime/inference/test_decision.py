"""Several readings of a picture become one answer: by their priors, and by how much they are like digits."""

import dataclasses

import numpy as np
import pytest

from edge_runtime import Classifier, ModelFileError
from edge_runtime.inference.decision import DIGITS, decide_all, readings_of
from edge_runtime.inference.results import Classifications
from edge_runtime.model.graph import Tensor
from edge_runtime.preprocessing.image_files import Picture
from train.data import Dataset

CLASSIFIER = Classifier.load()


def _results(*scores: tuple[float, ...]) -> Classifications:
    """Results with these probabilities, of two classes."""
    logits = np.log(np.array(scores, np.float32))
    output = dataclasses.replace(CLASSIFIER.model.output, dtype="float32")
    assert isinstance(output, Tensor)
    return Classifications(logits.argmax(axis=1), logits, ("no", "yes"), output)


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
