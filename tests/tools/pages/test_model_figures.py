"""Figures of model cards: spread over seeds, ratios of latencies, multiply-adds, pictures."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.stats.macs import read_steps
from tools.pages.models.figures import over_seeds
from tools.pages.models.pictures import MOST_SHOWN, Picture, confusion_matrix, mistakes, pictures_of
from tools.release.evaluation import evaluate_answers
from train.data import Dataset


def test_the_interval_of_a_mean_over_seeds_is_students() -> None:
    """Three seeds: 4.303 standard errors to either side."""
    found = over_seeds([99.0, 99.1, 99.2])
    assert (found.mean, found.deviation) == (pytest.approx(99.1), pytest.approx(0.1))
    half = 4.302653 * 0.1 / 3**0.5
    assert found.interval == (pytest.approx(99.1 - half), pytest.approx(99.1 + half))
    assert (found.least, found.most) == (99.0, 99.2)


def test_the_interval_stays_a_percentage() -> None:
    """No accuracy over 100."""
    assert over_seeds([100.0, 99.9, 100.0]).interval[1] == 100


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "dynamic", "int8"])
def test_multiply_adds_are_those_of_the_layers(cnn_files: dict[str, Path], recipe: str) -> None:
    """Of the default cnn, computed by hand; all files agree, also that whose weights are no constants but come out of DEQUANTIZE.

    The int8 file's first convolution takes four columns of the image at once, three groups of which its filters see.
    """
    from edge_runtime.model.model_file import read_model_file

    steps = [step for step in read_steps(read_model_file(cnn_files[recipe]).flatbuffer) if step.multiply_adds]
    folded = recipe == "int8"
    sizes = [
        14 * 7 * 32 * 60 if folded else 14 * 14 * 16 * 25,
        14 * 14 * 24 * 9 * 16,
        7 * 7 * 48 * 9 * 24,
        5 * 5 * 48 * 9 * 48,
        10 * 48,
    ]
    assert [step.multiply_adds for step in steps] == sizes
    first = (1, 14, 7, 32) if folded else (1, 14, 14, 16)
    assert [step.output for step in steps] == [first, (1, 14, 14, 24), (1, 7, 7, 48), (1, 5, 5, 48), (1, 10)]
    weights = [32 * 60 + 32 if folded else 16 * 25 + 16, 24 * 9 * 16 + 24, 48 * 9 * 24 + 48, 48 * 9 * 48 + 48, 480 + 10]
    assert [step.constants for step in steps] == weights


def test_a_depthwise_convolution_has_one_filter_for_each_channel(invented: Dataset) -> None:
    """Its multiply-adds do not grow with the channels squared."""
    from convert.quantization.recipes import find_recipe
    from convert.source.tf_converter import to_flatbuffer
    from train.config.training_config import TrainingConfig, parse_convolutions
    from train.model.architectures import build

    model = build(TrainingConfig("cnn", convolutions=parse_convolutions("4k5s2v,dk3,6k1")))
    steps = read_steps(to_flatbuffer(model, find_recipe("fp32"), invented.x_train[:10]))
    depthwise = next(step for step in steps if step.operator == "DEPTHWISE_CONV_2D")
    assert (depthwise.multiply_adds, depthwise.constants) == (12 * 12 * 4 * 9, 4 * 9 + 4)


LABELS = np.array([3, 3, 5, 5, 1, 0], np.uint8)
ANSWERS = np.array([3, 5, 5, 3, 1, 2])


def test_the_confusion_matrix_shows_every_count(invented: Dataset) -> None:
    """Those that are not 0, each at its label and answer."""
    (axes,) = confusion_matrix(evaluate_answers("test", ANSWERS, LABELS, 10)).axes
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {(3, 3): "1", (5, 3): "1", (5, 5): "1", (3, 5): "1", (1, 1): "1", (2, 0): "1"}


def test_the_picture_of_mistakes_shows_each_wrong_image(invented: Dataset) -> None:
    """Sorted by label, with label, answer and number, and the image itself."""
    (axes,) = mistakes(evaluate_answers("test", ANSWERS, LABELS, 10), invented.x_test).axes
    assert [text.get_text() for text in axes.texts] == ["0 → 2", "5", "3 → 5", "1", "5 → 3", "3"]
    canvas = axes.images[0].get_array()
    assert canvas is not None
    assert (canvas[10:38, 2:30] == invented.x_test[5]).all()
    assert (canvas[10:38, 34:62] == invented.x_test[1]).all()


def test_pictures_are_small_even_with_many_mistakes(mnist: Dataset) -> None:
    """Below 80 KB; beyond a number, mistakes are left out."""
    answers = (mnist.y_test[:300] + 1) % 10
    found = pictures_of("nano", evaluate_answers("test", answers, mnist.y_test[:300], 10), mnist.x_test)
    assert [picture.name for picture in found] == ["nano-confusion.png", "nano-mistakes.png"]
    for picture in found:
        content = picture.content()
        assert len(content) < 80_000
        assert content == picture.content()
        assert Image.open(io.BytesIO(content)).info["Source"] == picture.source
    assert len(found[1].draw().axes[0].texts) == 2 * MOST_SHOWN


def test_a_model_without_mistakes_has_no_picture_of_them(mnist: Dataset) -> None:
    """Only the matrix."""
    found: list[Picture] = pictures_of("nano", evaluate_answers("test", mnist.y_test, mnist.y_test, 10), mnist.x_test)
    assert [picture.name for picture in found] == ["nano-confusion.png"]
