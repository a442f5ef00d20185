"""Foreign Keras models: other input shapes and scales, a last softmax, custom layers; and models that cannot be used."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.conversion import convert
from convert.evaluation.compare import predict
from convert.evaluation.gate import Limits
from convert.quantization.recipes import RECIPES
from convert.settings import ConversionSettings
from convert.source.keras_loading import SCALES, check_contract, with_input_scale
from convert.source.source import load_source
from edge_runtime.errors import BadArgument, InputError, ModelFileError
from tests.commands import digits, one_line
from train.backend import keras, layers
from train.data import Dataset
from train.model.architectures import predict_logits

OWN_CODE = """
import keras

class Doubling(keras.layers.Layer):
    def call(self, x):
        return 2 * x

class Own(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.flat, self.double, self.dense = keras.layers.Flatten(), Doubling(), keras.layers.Dense(10, activation="softmax")

    def call(self, x):
        return self.dense(self.double(self.flat(x) / 255))
"""


def _fitted(model: keras.Model, data: Dataset, scale: tuple[float, float]) -> keras.Model:
    """Train a model briefly on pixels of a given scale."""
    keras.utils.set_random_seed(3)
    low, high = scale
    images = data.x_train.reshape(-1, *model.input_shape[1:]).astype(np.float32) / 255 * (high - low) + low
    logits = abs(float(np.sum(model(images[:1]))) - 1) > 1e-3
    model.compile(keras.optimizers.Adam(0.002), keras.losses.SparseCategoricalCrossentropy(from_logits=logits))
    for start in 15 * [*range(0, len(images), 50)]:  # half the time of `fit`, which traces more
        model.train_on_batch(images[start : start + 50], data.y_train[start : start + 50])
    return model


def _sequential(*rest: keras.layers.Layer, shape: tuple[int, ...] = (28, 28)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), layers.Flatten(), *rest])


FOREIGN: dict[str, tuple[Callable[[], keras.Model], str]] = {
    "sequential, softmax activation, 0..1": (lambda: _sequential(layers.Dense(10, activation="softmax")), "0..1"),
    "softmax layer, 0..1": (lambda: _sequential(layers.Dense(10), layers.Softmax()), "0..1"),
    "logits, -1..1, 28x28x1": (lambda: _sequential(layers.Dense(10), shape=(28, 28, 1)), "-1..1"),
    "nested": (lambda: _sequential(keras.Sequential([keras.Input((784,)), layers.Dense(10, activation="softmax")])), "0..1"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ("softmax layer, 0..1", "nested") else ()) for name in FOREIGN]
)
def test_a_foreign_model_is_converted_with_its_scale(name: str, invented: Dataset, tmp_path: Path) -> None:
    """The file takes grey levels, outputs logits, and predicts what the model predicts for scaled images."""
    make, scale = FOREIGN[name]
    low, high = map(float, scale.split(".."))
    model = _fitted(make(), invented, (low, high))
    path = tmp_path / "foreign.keras"
    model.save(path)
    inputs = invented.x_test.reshape(-1, *model.input_shape[1:]).astype(np.float32) / 255 * (high - low) + low
    expected = model.predict(inputs, verbose=0)
    source = load_source(path, invented, input_scale=scale)
    found = convert(source, RECIPES["fp32"])
    test = found.manifest.accuracy[1]
    assert test.reference.correct == int(np.sum(expected.argmax(axis=1) == invented.y_test))
    assert test.agreeing >= 199  # sums of floats in another order can turn a tie
    assert not np.allclose(found.evaluation.test.logits.sum(axis=1), 1, atol=0.01)
    assert f"--input-scale {scale}" in found.manifest.origin.command


def _as_built_for(images: np.ndarray, shape: tuple[int, ...], scale: tuple[float, float]) -> np.ndarray:
    """Images as somebody prepares them for a network of another input: in a border, with equal channels, in a pixel range."""
    low, high = scale
    if np.prod(shape[:2]) == 1024:
        images = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    if len(shape) == 3:
        images = np.repeat(images[..., None], shape[2], axis=3)
    return (images / 255 * (high - low) + low).reshape(-1, *shape).astype(np.float32)


@pytest.mark.parametrize("scale", ["0..1", "-1..1"])
@pytest.mark.parametrize("shape", [(32, 32, 1), (28, 28, 3), (32, 32, 3), (32, 32), (1024,)])
def test_images_are_adapted_to_other_inputs(shape: tuple[int, ...], scale: str, invented: Dataset) -> None:
    """Logits equal those of images that were padded, repeated and scaled outside; a border is background in any range."""
    model = _sequential(layers.Dense(10), shape=shape)
    check_contract(Path("m.keras"), model, 10)
    images = invented.x_test[:20]
    expected = model.predict(_as_built_for(images, shape, SCALES[scale]), verbose=0)
    adapted = with_input_scale(model, scale)
    assert adapted.input_shape == (None, 28, 28, 1)
    np.testing.assert_allclose(predict_logits(adapted, images), expected, atol=1e-4)


def test_a_model_of_32_by_32_colours_is_converted(invented: Dataset, tmp_path: Path) -> None:
    """To a file that takes 28x28 grey pixels; what is done to them is told."""
    network = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Conv2D(4, 8, 8, activation="relu"), layers.Flatten(), layers.Dense(10)]
    )
    network.save(tmp_path / "lenet.keras")
    source = load_source(tmp_path / "lenet.keras", invented, input_scale="0..255")
    assert source.input_note == "a border of 2 pixels of background and the same grey level in 3 channels"
    found = convert(source, RECIPES["int8"], ConversionSettings(Limits(100)))
    assert tuple(found.model.graph.inputs[0].shape) == (1, 28, 28, 1)
    assert found.manifest.accuracy[1].agreeing >= 150


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((96, 96, 3), r"keras\.Input\(\(28, 28, 3\)\), keras\.layers\.Resizing\(96, 96\), model"),
        ((None, None, 1), r"build it with keras\.Input\(\(28, 28, 1\)\)"),
        ((100,), r"3 channels of them$"),
    ],
)
def test_other_inputs_are_refused_with_a_remedy(shape: tuple[int | None, ...], remedy: str) -> None:
    """Such as a layer that resizes."""
    network = [layers.GlobalAveragePooling2D()] if len(shape) == 3 else []
    model = keras.Sequential([keras.Input(shape), *network, layers.Dense(10)])
    with pytest.raises(ModelFileError, match=remedy):
        check_contract(Path("m.keras"), model, 10)


@pytest.fixture
def saved(invented: Dataset, tmp_path: Path) -> keras.Model:
    """A model saved as model.keras in the folder `run`, and as old.h5."""
    model = _fitted(_sequential(layers.Dense(10)), invented, (0, 1))
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run" / "model.keras")
    with warnings.catch_warnings(action="ignore"):
        model.save(tmp_path / "old.h5")
    return model


def test_a_run_folder_and_an_h5_file_are_models(saved: keras.Model, data_file: Path, tmp_path: Path, in_this_process: None) -> None:
    """`digits convert` and `digits compare` take them as they take the .keras file."""
    found = json.loads(digits("compare", tmp_path / "run", tmp_path / "old.h5", "--data", data_file, "--json").out)
    assert (found["agreeing"], [file["kind"] for file in found["files"]]) == (50, ["Keras", "Keras"])
    words = ("--recipe", "fp32", "--data", data_file, "--max-drop", 5)
    assert digits("convert", tmp_path / "run", *words).code == 0
    assert (tmp_path / "run" / "model-fp32.tflite").exists()
    assert digits("convert", tmp_path / "old.h5", *words).code == 0
    assert (tmp_path / "old-fp32.tflite").exists()


def test_compare_takes_the_scale_and_names_of_shipped_models(saved: keras.Model, data_file: Path, tmp_path: Path) -> None:
    """The scale is for Keras models alone."""
    words = ("compare", tmp_path / "run", tmp_path / "run", "--data", data_file, "--input-scale")
    assert digits(*words, "0..1").code == 0
    assert "% with pixels from -1 to 1 and " in one_line(digits(*words, "-1..1"), 4)
    assert "are for Keras models" in one_line(digits("compare", "nano", "nano", "--input-scale", "0..1", "--data", data_file), 2)
    assert json.loads(digits("compare", "nano", "small", "--data", data_file, "--json").out)["reference"]["total"] == 50


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("saved_model.pb", "is a SavedModel"),
        ("checkpoint.npz", "with --resume"),
        ("other.keras", "give a run's folder or a .keras file: other.keras"),
        ("x.txt", "is a folder without model.keras"),
    ],
)
@pytest.mark.parametrize("command", ["convert", "compare"])
def test_other_folders_are_refused_with_a_remedy(command: str, file: str, message: str, data_file: Path, tmp_path: Path) -> None:
    """Exit 4 and one line."""
    (tmp_path / file).touch()
    words = [tmp_path] * (2 if command == "compare" else 1)
    assert message in one_line(digits(command, *words, "--data", data_file), 4)


@pytest.mark.parametrize("scale", ["-1..1", "0..1", pytest.param("0..255", marks=pytest.mark.slow)])
@pytest.mark.parametrize("probabilities", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_scale_is_found_by_the_loss(scale: str, probabilities: bool, invented: Dataset, tmp_path: Path) -> None:
    """Of a network of ReLUs too, whose labels hardly depend on it; `digits compare` finds the same."""
    last = [layers.Softmax()] if probabilities else []
    model = _fitted(_sequential(layers.Dense(32, activation="relu"), layers.Dense(10), *last), invented, SCALES[scale])
    model.save(tmp_path / "foreign.keras")
    source = load_source(tmp_path / "foreign.keras", invented)
    assert source.input_scale == scale
    assert ("--input-scale" in source.command_arguments) == (scale != "0..255")
    assert np.allclose(predict(tmp_path / "foreign.keras", invented, invented.test), source.test_logits)


def test_a_model_that_knows_nothing_gets_pixels_as_they_are(invented: Dataset, tmp_path: Path) -> None:
    """No range is better than chance."""
    _sequential(layers.Dense(32, activation="relu"), layers.Dense(10)).save(tmp_path / "new.keras")
    assert load_source(tmp_path / "new.keras", invented).input_scale == "0..255"


def test_a_model_that_normalises_its_input_gets_pixels_as_they_are(invented: Dataset, tmp_path: Path) -> None:
    """All ranges fit it alike."""
    model = _fitted(_sequential(layers.LayerNormalization(), layers.Dense(10)), invented, (0, 255))
    model.save(tmp_path / "foreign.keras")
    assert load_source(tmp_path / "foreign.keras", invented).input_scale == "0..255"


def test_a_close_call_is_refused(invented: Dataset, tmp_path: Path) -> None:
    """With the losses and the options to give."""
    fitted = _fitted(_sequential(layers.Dense(10)), invented, (0, 1))
    few = Dataset("few", invented.x_train[:36], invented.y_train[:36], invented.x_test, invented.y_test)  # 3 validation images
    fitted.save(tmp_path / "foreign.keras")
    with pytest.raises(InputError, match=r"cannot tell .* with --input-scale -1\.\.1 and .* with --input-scale 0\.\.1; give"):
        load_source(tmp_path / "foreign.keras", few)


def test_the_wrong_scale_is_an_error_that_names_the_right_one(invented: Dataset, tmp_path: Path) -> None:
    """The error has the validation accuracy with both scales."""
    path = tmp_path / "small.keras"
    _fitted(_sequential(layers.BatchNormalization(), layers.Dense(10)), invented, (0, 1)).save(path)
    with pytest.raises(
        InputError,
        match=r"validation accuracy is .* % with pixels from 0 to 255 and .* % with --input-scale 0\.\.1",
    ):
        load_source(path, invented, input_scale="0..255")


@pytest.mark.parametrize("scale", ["0..2", ""])
def test_an_unknown_scale_is_refused(scale: str, invented: Dataset, tmp_path: Path) -> None:
    """The error lists the known ones."""
    path = tmp_path / "small.keras"
    _sequential(layers.Dense(10)).save(path)
    with pytest.raises(BadArgument, match=r"expected one of 0\.\.255, 0\.\.1, -1\.\.1"):
        load_source(path, invented, input_scale=scale)


@pytest.fixture
def own(tmp_path: Path, invented: Dataset) -> Path:
    """A subclassed model with a custom layer, and its code in the same folder."""
    code = tmp_path / "own.py"
    code.write_text(OWN_CODE)
    names: dict[str, type[keras.Model]] = {}
    exec(compile(OWN_CODE, str(code), "exec"), names)
    model = names["Own"]()
    model(np.zeros((1, 28, 28), np.float32))
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy())
    for _ in range(30):
        model.train_on_batch(invented.x_train.astype(np.float32), invented.y_train)
    model.save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


@pytest.mark.slow
def test_a_subclassed_model_needs_its_code(own: Path, data_file: Path, tmp_path: Path) -> None:
    """Without it exit 4 and one line; with it the file is written, and only the child process executes the code."""
    words = ("convert", own, "--recipe", "fp32", "--data", data_file, "--max-drop", 5)
    assert "--code" in one_line(digits(*words), 4)
    answer = digits(*words, "--code", tmp_path / "own.py")
    assert answer.code == 0, answer.err
    assert (tmp_path / "own-fp32.tflite").exists()


@pytest.mark.parametrize(
    ("code", "message"), [("x = 1 / 0", "cannot be executed (ZeroDivisionError"), (None, "cannot be read"), ("def", "SyntaxError")]
)
def test_code_that_fails_is_reported(code: str | None, message: str, own: Path, invented: Dataset, tmp_path: Path) -> None:
    """The error has the exception."""
    bad = tmp_path / "bad.py"
    if code is not None:
        bad.write_text(code)
    with pytest.raises(InputError, match=re.escape(message)):
        load_source(own, invented, code=bad)


def test_labels_go_into_the_file(data_file: Path, invented: Dataset, tmp_path: Path, in_this_process: None) -> None:
    """Labels are read from the lines of a file."""
    path = tmp_path / "small.keras"
    _fitted(_sequential(layers.Rescaling(1 / 255), layers.Dense(10)), invented, (0, 255)).save(path)
    (tmp_path / "labels.txt").write_text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    words = ("convert", path, "--recipe", "fp32", "--data", data_file, "--max-drop", 5)
    assert digits(*words, "--labels", tmp_path / "labels.txt").code == 0
    assert "zero one two" in digits("inspect", tmp_path / "small-fp32.tflite").out
    assert "neither a comma-separated list nor a readable file" in one_line(digits(*words, "--labels", tmp_path / "none.txt"), 2)


@pytest.mark.parametrize("labels", [("a", "b"), tuple("aabcdefghi"), (*"abcdefghi", "\n")])
def test_labels_that_cannot_be_are_refused(labels: tuple[str, ...], invented: Dataset, tmp_path: Path) -> None:
    """Too few, equal or unprintable labels are refused before the model is loaded."""
    with pytest.raises(BadArgument, match="labels"):
        load_source(tmp_path / "none.keras", invented, labels=labels)


def test_a_model_that_was_never_called_has_no_input_shape(invented: Dataset, tmp_path: Path) -> None:
    """A Sequential without an Input has no input shape."""
    path = tmp_path / "unbuilt.keras"
    with warnings.catch_warnings(action="ignore"):  # Keras says that it has no weights
        keras.Sequential([layers.Flatten(), layers.Dense(10)]).save(path)
    with pytest.raises(ModelFileError, match="has no input shape"):
        load_source(path, invented)


def test_predictions_of_a_rescaled_model_are_those_of_scaled_images(invented: Dataset) -> None:
    """Logits are equal to float32 rounding."""
    model = _sequential(layers.Dense(10))
    images = invented.x_test[:20]
    expected = model.predict(images.astype(np.float32) / 255 * 2 - 1, verbose=0)
    np.testing.assert_allclose(predict_logits(with_input_scale(model, "-1..1"), images), expected, atol=1e-5)
