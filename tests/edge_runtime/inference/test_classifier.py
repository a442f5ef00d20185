"""The classifier on real digits, by every backend that is installed, and against plain LiteRT."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from edge_runtime import Classifier
from edge_runtime.common.packages import pip_install
from edge_runtime.common.quantization import quantize
from edge_runtime.errors import BadArgument, ImageError, MissingPackage
from edge_runtime.inference.classifier import BATCH
from edge_runtime.inference.interpreter import BACKENDS, make_interpreter
from edge_runtime.inference.runner import encoder, pixel_values
from edge_runtime.model.graph import Tensor
from edge_runtime.model.model_file import read_model_file
from train.data import Dataset

RECIPES = ["fp32", "fp16", "dynamic", "int8", "int16x8"]


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return Classifier.load()


def _plain_litert(flatbuffer: bytes, image: np.ndarray) -> np.ndarray:
    """Outputs as somebody gets them who has never heard of this project."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flatbuffer, num_threads=1)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"]
    values = image.astype(np.float64).reshape(source["shape"])
    if source["dtype"] != np.float32:
        limits = np.iinfo(source["dtype"])
        values = np.clip(np.rint(values / scale + zero_point), limits.min, limits.max)
    interpreter.set_tensor(source["index"], values.astype(source["dtype"]))
    interpreter.invoke()
    return interpreter.get_tensor(sink["index"])[0]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_dtype_gives_what_plain_litert_gives(recipe: str, cnn_files: dict[str, Path], mnist: Dataset) -> None:
    """The raw outputs are equal, bit for bit, whatever dtype the graph takes."""
    classifier = Classifier.load(cnn_files[recipe])
    for image in mnist.x_test[:5]:
        assert np.array_equal(classifier.classify(image).outputs, _plain_litert(classifier.model.flatbuffer, image))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_batch_gives_what_single_images_give(recipe: str, threads: int, cnn_files: dict[str, Path], mnist: Dataset) -> None:
    """Labels are equal for a batch that does not divide evenly, and logits within what float sums in another order change."""
    classifier = Classifier.load(cnn_files[recipe], threads)
    images = mnist.x_test[: 2 * BATCH + 7]
    batch = classifier.classify_batch(images)
    singles = [classifier.classify(image) for image in images]
    assert batch.labels == [single.label for single in singles]
    assert np.allclose(batch.logits, [single.logits for single in singles], atol=0 if "int" in recipe else 0.05)


def test_the_shipped_model_is_as_accurate_as_it_says(shipped: Classifier, mnist: Dataset) -> None:
    """On the 10,000 test images it gets exactly as many right as its manifest states."""
    assert shipped.model.manifest is not None
    stated = shipped.model.manifest.accuracy[1]
    correct = int((shipped.classify_batch(mnist.x_test).indices == mnist.y_test).sum())
    assert (stated.split, stated.candidate.correct, stated.candidate.total) == ("test", correct, 10_000)
    assert correct >= 9_900


def test_scores_are_softmax_of_logits_over_the_temperature(shipped: Classifier, mnist: Dataset) -> None:
    """Of one image and of a batch; the shipped models' is not 1."""
    temperature = shipped.model.temperature
    assert temperature != 1
    for image in mnist.x_test[:5]:
        powers = np.exp(shipped.classify(image).logits.astype(np.float64) / temperature)
        np.testing.assert_allclose(shipped.classify(image).scores, powers / powers.sum(), rtol=1e-5)
    batch = shipped.classify_batch(mnist.x_test[:5])
    np.testing.assert_array_equal(batch.scores, [single.scores for single in batch])


def test_answers_have_labels_scores_and_confidence(shipped: Classifier, mnist: Dataset) -> None:
    """Scores are probabilities, the label is the likeliest, and a batch's entries are the same as single answers."""
    result = shipped.classify(mnist.x_test[0])
    assert (result.label, result.index) == ("7", 7)
    assert result.scores.sum() == pytest.approx(1)
    assert result.confidence == result.scores.max() > 0.9
    batch = shipped.classify_batch(mnist.x_test[:3])
    assert [entry.label for entry in batch] == batch.labels == ["7", "2", "1"]
    assert np.array_equal(batch.scores[0], result.scores)
    assert "7" in repr(result)


def test_an_answer_outlives_the_next_image(shipped: Classifier, mnist: Dataset) -> None:
    """Outputs are copies: a kept answer neither changes nor stops the interpreter."""
    first = shipped.classify(mnist.x_test[0])
    before = first.outputs.copy()
    shipped.classify(mnist.x_test[1])
    assert np.array_equal(first.outputs, before)


def test_an_empty_batch_has_no_answers(shipped: Classifier) -> None:
    """N may be 0."""
    found = shipped.classify_batch(np.zeros((0, 28, 28), np.uint8))
    assert (len(found), found.labels, found.scores.shape) == (0, [], (0, 10))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((28, 28), np.float32),
        np.zeros((28, 28), np.int8),
        np.zeros((27, 28), np.uint8),
        np.zeros((1, 28, 28), np.uint8),
        np.zeros(784, np.uint8),
        [[0] * 28] * 28,
        None,
    ],
)
def test_what_is_no_image_is_an_error(image: object, shipped: Classifier) -> None:
    """Another dtype, shape or type is told, not converted."""
    with pytest.raises(ImageError, match=r"expected an image as uint8 \[28, 28\]"):
        shipped.classify(image)  # type: ignore[arg-type]


@pytest.mark.parametrize("images", [np.zeros((28, 28), np.uint8), np.zeros((2, 28, 28)), np.zeros((2, 784), np.uint8), "x"])
def test_what_is_no_batch_is_an_error(images: object, shipped: Classifier) -> None:
    """A single image is no batch; nor are floats or flat rows."""
    with pytest.raises(ImageError, match=r"expected a batch as uint8 \[N, 28, 28\]"):
        shipped.classify_batch(images)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(arrays(np.uint8, (28, 28)))
def test_any_image_gets_an_answer(image: np.ndarray) -> None:
    """Every uint8 [28, 28] has one of the labels, and probabilities that add up to 1."""
    result = _LOADED.classify(image)
    assert result.label in "0123456789"
    assert np.isfinite(result.scores).all()
    assert result.scores.sum() == pytest.approx(1)


_LOADED = Classifier.load()


def test_images_in_any_memory_order_are_read_right(shipped: Classifier, mnist: Dataset) -> None:
    """A transposed or strided view is the same image as its copy."""
    for image in (mnist.x_test[0].T, np.repeat(mnist.x_test[0], 2, axis=0)[::2], np.asfortranarray(mnist.x_test[0])):
        assert np.array_equal(shipped.classify(image).outputs, shipped.classify(image.copy()).outputs)


def test_a_read_only_image_is_an_image(shipped: Classifier, mnist: Dataset) -> None:
    """Nothing is written into the caller's pixels."""
    image = mnist.x_test[0].copy()
    image.flags.writeable = False
    assert shipped.classify(image).label == "7"


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"),
    [
        ("float32", 0.0, 0),
        ("int8", 1.0, -128),
        ("uint8", 1.0, 0),
        ("int16", 255 / 32767, 0),
        ("int8", 0.99988, -128),
        ("uint8", 2.0, 3),
    ],
)
def test_pixels_are_written_as_the_graph_wants_them(dtype: str, scale: float, zero_point: int) -> None:
    """Each of the ways to encode equals the one quantise function for all 256 grey levels."""
    tensor = Tensor("x", dtype, (1, 256), int(scale > 0), scale, zero_point, 0, 0)
    pixels = np.arange(256, dtype=np.uint8)
    buffer = np.zeros((1, 256), dtype)
    encoder(pixel_values(tensor), buffer)(pixels.reshape(buffer.shape))
    expected = pixels.astype(np.float32) if dtype == "float32" else quantize(pixels, scale, zero_point, dtype)
    assert np.array_equal(buffer[0], expected)
    assert np.array_equal(pixel_values(tensor), expected)


def test_a_plain_tflite_answers_with_a_warning(tmp_path: Path, mnist: Dataset) -> None:
    """It gives the same labels, after a trial in a child process, and says that nothing is proven."""
    path = tmp_path / "plain.tflite"
    path.write_bytes(read_model_file().flatbuffer)
    classifier = Classifier.load(path)
    assert "plain" in classifier.warnings[0]
    assert classifier.classify_batch(mnist.x_test[:20]).labels == _LOADED.classify_batch(mnist.x_test[:20]).labels


def test_threads_and_backends_are_checked() -> None:
    """Zero threads and an unknown backend are wrong usage, with the valid values."""
    with pytest.raises(BadArgument, match="1 or more"):
        Classifier.load(threads=0)
    with pytest.raises(BadArgument, match="litert, tflite, tensorflow"):
        Classifier.load(backend="onnx")


def test_a_missing_backend_says_what_to_install() -> None:
    """tflite-runtime is not installed beside numpy 2; the message has both lines, by the pip of this Python."""
    pip = re.escape(pip_install())
    with pytest.raises(MissingPackage, match=rf"{pip} '\.\[litert\]'.*{pip} '\.\[tflite\]'"):
        Classifier.load(backend="tflite")


def test_a_runtime_for_another_numpy_names_the_pip_of_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tflite-runtime's extension fails beside numpy 2; a bare pip may be that of another Python."""
    monkeypatch.setitem(sys.modules, "tflite_runtime", ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(MissingPackage, match=re.escape(f"tflite-runtime needs {pip_install()} 'numpy<2'")):
        make_interpreter(b"", BACKENDS["tflite"])


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_tensorflows_interpreter_gives_the_same_labels(mnist: Dataset) -> None:
    """The third backend, tf.lite, agrees with LiteRT."""
    images = mnist.x_test[:100]
    assert Classifier.load(backend="tensorflow").classify_batch(images).labels == _LOADED.classify_batch(images).labels
