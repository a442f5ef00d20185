"""The Python API: public names, pictures from files, and closing a classifier."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

import edge_runtime
from edge_runtime import Classifier, ImageError, Prediction, read_picture
from edge_runtime.errors import BadArgument
from edge_runtime.inference.isolated_runner import IsolatedRunner
from edge_runtime.preprocessing.image_files import png_bytes
from tests.commands import digits
from tests.photos import invent_scene, jpeg_bytes, photograph
from train.data import Dataset


@pytest.fixture
def photo(tmp_path: Path, mnist: Dataset) -> Path:
    """A photo of the first validation digit, in faint ink."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg_bytes(128 + photograph(mnist.validation.images[0], invent_scene(2)) // 6))
    return path


def test_dir_lists_the_public_names() -> None:
    """And each of them can be imported."""
    assert dir(edge_runtime) == sorted(edge_runtime.__all__)
    assert {"Classifier", "Prediction", "read_picture"} <= set(dir(edge_runtime))
    assert all(hasattr(edge_runtime, name) for name in dir(edge_runtime))


def test_a_file_is_classified_as_by_the_command(photo: Path) -> None:
    """By its path, as text or not; warnings of the picture are part of the prediction."""
    classifier = Classifier.load()
    answer = json.loads(digits("classify", photo, "--json").out)
    for file in (photo, str(photo)):
        prediction = classifier.classify_file(file)
        assert prediction.source == answer["source"]
        assert (prediction.label, prediction.confidence) == (answer["label"], answer["confidence"])
        assert list(prediction.warnings) == answer["warnings"]
        assert prediction.warnings[0].startswith("faint: ")


def test_an_open_file_is_classified(photo: Path) -> None:
    """Its name, where it has one, is the source."""
    classifier = Classifier.load()
    expected = classifier.classify_file(photo)
    with photo.open("rb") as stream:
        prediction = classifier.classify_file(stream)
    assert (prediction.label, prediction.confidence) == (expected.label, expected.confidence)
    assert prediction.source == str(photo)
    assert classifier.classify_file(io.BytesIO(photo.read_bytes())).source == "-"
    assert np.array_equal(read_picture(io.BytesIO(photo.read_bytes())).image, expected.picture.image)


def test_a_file_that_is_no_image_is_an_error(tmp_path: Path) -> None:
    """With its name, or with - for what has none."""
    (tmp_path / "x.png").write_bytes(b"hello")
    with pytest.raises(ImageError, match=r"x\.png: is not a PNG"):
        Classifier.load().classify_file(tmp_path / "x.png")
    with pytest.raises(ImageError, match=r"^-: is not a PNG"):
        Classifier.load().classify_file(io.BytesIO(b"hello"))


def test_pictures_are_classified_together_as_alone(photo: Path, mnist: Dataset) -> None:
    """The same labels, confidences and warnings."""
    noise = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    files = [io.BytesIO(png_bytes(image)) for image in (mnist.x_test[0], noise)]
    pictures = [read_picture(file) for file in (photo, *files)]
    classifier = Classifier.load()
    singles: list[Prediction] = [classifier.classify_picture(picture) for picture in pictures]
    together = classifier.classify_pictures(pictures)
    assert [one.label for one in together] == [single.label for single in singles]
    assert [one.confidence for one in together] == pytest.approx([single.confidence for single in singles])
    assert [one.warnings for one in together] == [single.warnings for single in singles]
    assert together[2].label is None


def test_a_closed_classifier_refuses(mnist: Dataset) -> None:
    """Images and batches; closing twice does no harm."""
    with Classifier.load(batch=2) as classifier:
        assert classifier.classify_batch(mnist.x_test[:4]).labels == ["7", "2", "1", "0"]
    classifier.close()
    with pytest.raises(BadArgument, match="the classifier is closed"):
        classifier.classify(mnist.x_test[0])
    for count in (1, 4):
        with pytest.raises(BadArgument, match="the classifier is closed"):
            classifier.classify_batch(mnist.x_test[:count])


def test_closing_ends_the_child_of_a_plain_file(tmp_path: Path) -> None:
    """And leaves no process behind."""
    path = tmp_path / "plain.tflite"
    path.write_bytes(Classifier.load().model.flatbuffer)
    with Classifier.load(path) as classifier:
        runner = classifier._single
        assert isinstance(runner, IsolatedRunner)
        assert runner._child.poll() is None
    assert runner._child.returncode is not None
