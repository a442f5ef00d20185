"""Small and tightly cropped pictures are read in several ways; pictures without a digit in none."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from edge_runtime import Classifier
from edge_runtime.inference.decision import readings_of
from edge_runtime.preprocessing.image_files import png_bytes, to_picture
from edge_runtime.preprocessing.pipeline import readings
from tests.commands import digits
from tests.photos import CROPS, crop_picture
from train.data import Dataset

CLASSIFIER = Classifier.load()
DETECTOR = CLASSIFIER.out_of_distribution
COUNT = 100
# Four standard deviations of 100 pictures below the accuracy on the first 1,000 validation images.
LOWEST = {"tight": 0.97, "tiny": 0.97, "binary": 0.96, "stretched": 0.97, "patterned": 0.92, "padded": 0.97, "uncentred": 0.97}


@pytest.mark.parametrize("kind", CROPS)
def test_crops_are_read_like_their_originals(kind: str, mnist: Dataset) -> None:
    """Of any size and proportion, black and white, on patterns, off centre; dark on light and light on dark."""
    images, labels = mnist.validation.images[:COUNT], mnist.validation.labels[:COUNT]
    pictures = [to_picture(crop_picture(image, kind, seed)) for seed, image in enumerate(images)]
    found = [prediction.index for prediction in CLASSIFIER.classify_pictures(pictures)]
    assert np.mean(np.array(found, object) == labels) >= LOWEST[kind]


@pytest.mark.parametrize("kind", ["tight", "binary", "patterned"])
def test_polarity_is_seen(kind: str, mnist: Dataset) -> None:
    """Also where the digit touches the border, whichever is lighter."""
    for seed, image in enumerate(mnist.validation.images[:20]):
        first = readings(crop_picture(image, kind, seed))[0]
        assert first.light == (bool(seed % 2) and kind != "patterned")


NOISE = np.random.default_rng(0)
EMPTY = {
    "1x1": np.zeros((1, 1), np.uint8),
    "1x50,000": np.full((1, 50_000), 200, np.uint8),
    "50,000x1": np.full((50_000, 1), 3, np.uint8),
    "black": np.zeros((300, 200), np.uint8),
    "white": np.full((64, 64), 255, np.uint8),
    "black, 28x28": np.zeros((28, 28), np.uint8),
    "noise": NOISE.integers(0, 256, (300, 400)).astype(np.uint8),
    "noise, 90x90": NOISE.integers(0, 256, (90, 90)).astype(np.uint8),
    "noise, 28x28": NOISE.integers(0, 256, (28, 28)).astype(np.uint8),
    "noise, 16x16": NOISE.integers(0, 256, (16, 16)).astype(np.uint8),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_without_a_digit_there_is_no_answer(kind: str, tmp_path: Path) -> None:
    """Null in JSON, - in text, nothing in CSV; a warning, and exit code 0 unless a digit is required."""
    path = tmp_path / "empty.png"
    path.write_bytes(png_bytes(EMPTY[kind]))
    done = digits("classify", path, "--json")
    answer = json.loads(done.out)
    assert done.code == 0
    assert [answer[name] for name in ("label", "index", "confidence", "scores")] == [None] * 4
    assert answer["warnings"][0].startswith("blank: ")
    assert digits("classify", path).out.startswith(f"{path}: -  (blank: ")
    assert digits("classify", path, "--csv").out.splitlines()[1].startswith(f"{path},,,,blank: ")
    assert digits("classify", path, "--require-digit").code == 4
    table = tmp_path / "table.csv"
    assert digits("classify", path, "--out", table, "--require-digit").code == 4
    assert table.read_text().splitlines()[1].startswith(f"{path},,,,blank: ")
    assert digits("classify", path, "--explain", tmp_path / "how.png").code == 0


def test_one_pixel_of_ink_is_no_crash() -> None:
    """Whatever it is taken for."""
    for side in (3, 28, 64, 300):
        picture = np.full((side, side), 255, np.uint8)
        picture[side // 2, side // 2] = 0
        assert CLASSIFIER.classify_picture(to_picture(picture)).picture.image.shape == (28, 28)


def test_the_clear_case_is_read_once(mnist: Dataset) -> None:
    """An image in MNIST's form, and a photo whose digit is whole."""
    assert to_picture(mnist.x_test[0]).alternatives == ()
    page = np.full((300, 400), 255, np.uint8)
    page[100:212, 150:262] -= np.kron(mnist.x_test[0], np.ones((4, 4), np.uint8))
    assert [photo.reading for photo in readings(page)] == ["photo"]


def test_only_digits_are_read_in_several_ways(mnist: Dataset) -> None:
    """An image of other classes has not MNIST's form, and is taken as it is."""
    image = np.roll(mnist.x_test[0], 5, axis=0)
    picture = to_picture(image)
    assert [reading.reading for reading in readings_of(picture, CLASSIFIER.labels, DETECTOR)] == ["unchanged", "crop", "narrowed"]
    assert readings_of(picture, ("T-shirt", "trouser"), DETECTOR) == (picture,)


def test_the_weights_of_the_readings_add_up(mnist: Dataset) -> None:
    """The scores are their mean; the picture that is shown agrees with the answer."""
    for seed, image in enumerate(mnist.validation.images[:20]):
        prediction = CLASSIFIER.classify_picture(to_picture(crop_picture(image, "stretched", seed)))
        assert sum(weight for _, weight in prediction.readings) == pytest.approx(1)
        assert prediction.scores is not None
        assert prediction.scores.sum() == pytest.approx(1)
        assert CLASSIFIER.classify(prediction.picture.image).index == prediction.index


@pytest.mark.parametrize("width", [60, 120])
def test_several_digits_in_a_small_picture_are_told(width: int, mnist: Dataset) -> None:
    """And one of them is read, as in a larger picture, not all of them as one."""
    right = 0
    for first, second in zip(mnist.validation.images[:20:2], mnist.validation.images[1:20:2], strict=True):
        pair = np.full((width, 2 * width - 20), 255, np.uint8)
        for image, left in ((first, 0), (second, width - 20)):
            large = np.asarray(PIL.Image.fromarray(image).resize((width, width)))
            part = pair[:, left : left + width]
            np.minimum(part, 255 - large, out=part)
        prediction = CLASSIFIER.classify_picture(to_picture(pair))
        right += any(text.startswith("several digits: 2") for text in prediction.warnings)
    assert right >= 6
