"""Conversion of real and invented models: verified accuracy, reproducible bytes, files that other tools read, refusals."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convert.build import postprocess
from convert.conversion import convert
from convert.evaluation.gate import Limits
from convert.export import export
from convert.quantization.recipes import RECIPES
from convert.settings import ConversionSettings
from convert.source.source import load_source
from edge_runtime.errors import BadArgument, InputError, ModelFileError, WouldOverwrite
from edge_runtime.model.model_file import DEFAULT_MODEL, read_model_file
from tests.conftest import ROOT, TRAINED_CNN
from tests.samples import arrays_of, write_npz
from train.backend import keras
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.loop.trainer import fit, train_run


def _predict(flatbuffer: bytes, images: np.ndarray) -> list[int]:
    """Predict classes by plain ai-edge-litert, image by image, without any code of ours."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flatbuffer)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = source["quantization"] if source["quantization"][0] else (1.0, 0)
    answers = []
    for image in images:
        values = np.rint(image.reshape(source["shape"]) / scale + zero_point)
        interpreter.set_tensor(source["index"], values.astype(source["dtype"]))
        interpreter.invoke()
        answers.append(int(interpreter.get_tensor(sink["index"])[0].argmax()))
    return answers


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_the_stated_accuracy_is_what_plain_litert_finds(recipe: str, cnn_files: dict[str, Path], mnist_slice: Dataset) -> None:
    """Counts on the test images equal an independent evaluation, and agreement with the float model is nearly complete."""
    model = read_model_file(cnn_files[recipe])
    assert model.manifest is not None
    stated = model.manifest.accuracy[1]
    answers = np.array(_predict(model.flatbuffer, mnist_slice.x_test))
    assert stated.candidate.correct == int((answers == mnist_slice.y_test).sum())
    assert stated.candidate.total == 1_000
    assert stated.agreeing >= (980 if recipe == "int4" else 998)  # without training for it


OPERATORS = {
    "fp32": ["CONV_2D", "MEAN", "FULLY_CONNECTED"],
    "fp16": ["DEQUANTIZE", "CONV_2D", "MEAN", "FULLY_CONNECTED"],
    "dynamic": ["CONV_2D", "MEAN", "FULLY_CONNECTED"],
    "int8": ["RESHAPE", "CONV_2D", "MEAN", "FULLY_CONNECTED"],
    "int16x8": ["CONV_2D", "MEAN", "FULLY_CONNECTED"],
    "int4": ["CONV_2D", "MEAN", "FULLY_CONNECTED"],
}


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_no_operation_is_wasted(recipe: str, cnn_files: dict[str, Path]) -> None:
    """Scaling, batch normalisation and activations are folded into convolutions; only 8-bit columns become channels."""
    model = read_model_file(cnn_files[recipe])
    assert [operator.name for operator, _ in model.graph.operator_counts] == OPERATORS[recipe]
    assert model.input.dtype == {"int8": "int8", "int16x8": "int16", "int4": "int8"}.get(recipe, "float32")


def test_the_int8_file_is_small(cnn_files: dict[str, Path]) -> None:
    """It has under 60 KB, its archive under 8 KB; a step of the input is a grey level."""
    model = read_model_file(cnn_files["int8"])
    assert model.file_bytes < 60_000
    assert model.file_bytes - len(model.flatbuffer) < 8_000
    assert (model.input.scale, model.input.zero_point) == (1.0, -128)


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(
    trained_cnn: Path, mnist_slice: Dataset, cnn_files: dict[str, Path], tmp_path: Path
) -> None:
    """Every recipe, converted again in another process with another hash seed, is the same file to the last byte."""
    data = write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice))
    command = [
        "convert",
        str(trained_cnn),
        "--data",
        str(data),
        "--out",
        str(tmp_path),
        "--max-drop",
        "5",
        "--recipe",
        "all",
        "--recipe",
        "int4",
    ]
    subprocess.run(
        [sys.executable, "-m", "edge_runtime.cli", *command],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "12345"},
    )
    for recipe, path in cnn_files.items():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), recipe


def test_the_shipped_model_is_what_the_released_weights_give(mnist: Dataset) -> None:
    """Converting train/releases/small-seed0 again gives the FlatBuffer that ships, but for noise (tools/release/same_model.py)."""
    from convert.source.tf_converter import to_flatbuffer
    from tools.release.same_model import same_but_for_noise

    source = load_source(ROOT / "train" / "releases" / "small-seed0" / "model.keras", mnist)
    assert source.record is not None
    images = mnist.train.images[list(source.record.calibration_indices)]
    made = postprocess(to_flatbuffer(source.model, RECIPES["int8"], images), ConversionSettings())
    assert same_but_for_noise(read_model_file(DEFAULT_MODEL).flatbuffer, made)


def test_others_read_our_files(cnn_files: dict[str, Path]) -> None:
    """Unzip lists and tests the archive; tf.lite loads the whole file from its path and from its bytes."""
    from train.backend import tf

    path = cnn_files["int8"]
    listing = subprocess.run(["unzip", "-t", str(path)], capture_output=True, text=True, check=False)
    assert all(name in listing.stdout for name in ("manifest.json", "labels.txt", "golden.npz", "No errors detected"))
    with pytest.warns(UserWarning, match=r"tf\.lite\.Interpreter is deprecated"):
        interpreters = [tf.lite.Interpreter(model_path=str(path)), tf.lite.Interpreter(model_content=path.read_bytes())]
    for interpreter in interpreters:
        interpreter.allocate_tensors()
        assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 10]


def test_litert_s_own_benchmark_reads_our_file(cnn_files: dict[str, Path]) -> None:
    """ai-edge-litert's benchmark tool runs it from its path."""
    tool = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model", f"--model={cnn_files['int8']}"]
    child = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-400:]


def test_calibration_images_are_the_recorded_ones(invented: Dataset, tmp_path: Path) -> None:
    """The list in training.json is used, its length and hash are in the manifest, and other data than the training data is refused."""
    train_run(TrainingConfig("linear", epochs=1), invented, tmp_path / "mine", quiet=True)
    record = tmp_path / "mine" / "training.json"
    written = json.loads(record.read_text())
    written["calibration_indices"] = [5, 6, 7]
    record.write_text(json.dumps(written))
    source = load_source(tmp_path / "mine" / "model.keras", invented)
    manifest = convert(source, RECIPES["int8"]).manifest
    assert source.name == manifest.name == "mine"
    assert manifest.origin.calibration["images"] == 3
    assert manifest.origin.training["config"]["epochs"] == 1
    other = Dataset("other", invented.x_train[::-1], invented.y_train[::-1], invented.x_test, invented.y_test)
    with pytest.raises(InputError, match=r"was trained on invented .* not on other"):
        load_source(tmp_path / "mine" / "model.keras", other)


def test_the_command_of_the_manifest_makes_the_same_file(trained_cnn: Path, mnist_slice: Dataset) -> None:
    """It has the name that was given, and the threads that training depends on."""
    source = load_source(trained_cnn, mnist_slice, "my digits")
    settings = ConversionSettings(Limits(5), qat=2, threads=3)
    assert source.command_arguments == "cnn.keras --name 'my digits'"
    assert settings.for_recipe(RECIPES["int8"]).command_options == "--max-drop 5 --qat 2 --threads 3"
    assert settings.for_recipe(RECIPES["fp16"]).command_options == "--max-drop 5"
    assert load_source(trained_cnn, mnist_slice, "cnn").command_arguments == "cnn.keras"


def test_the_manifest_has_no_paths_and_names_its_origin(cnn_files: dict[str, Path], mnist_slice: Dataset) -> None:
    """It has the command without folders, versions and hashes; without MNIST's hash it has no attribution."""
    manifest = read_model_file(cnn_files["int8"]).manifest
    assert manifest is not None
    assert manifest.origin.command == "digits convert cnn.keras --recipe int8 --max-drop 5"
    assert manifest.origin.data_sha256 == mnist_slice.sha256
    assert set(manifest.origin.versions) == {"edge-digits", "tensorflow", "keras", "ai-edge-litert", "litert-quantizer"}
    assert manifest.attribution == ""
    shipped = read_model_file().manifest
    assert shipped is not None
    assert "CC BY-SA 3.0" in shipped.attribution
    assert str(ROOT) not in json.dumps(str(shipped))


def test_files_are_not_overwritten_unasked(trained_cnn: Path, mnist_slice: Dataset, cnn_files: dict[str, Path]) -> None:
    """It is refused before the first conversion, and nothing changes."""
    path = cnn_files["fp32"]
    before = path.stat()
    with pytest.raises(WouldOverwrite, match="--force"):
        export(trained_cnn, mnist_slice, [RECIPES["fp32"]], path.parent)
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.slow
def test_a_model_is_named_after_its_run_from_wherever_it_is_converted(
    invented: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also inside the run's folder; an invalid name is refused before conversion."""
    train_run(TrainingConfig("linear", epochs=1), invented, tmp_path / "mine", quiet=True)
    monkeypatch.chdir(tmp_path / "mine")
    assert load_source(Path("model.keras"), invented).name == "mine"
    long = tmp_path / f"{'x' * 65}.keras"
    long.write_bytes(b"")
    with pytest.raises(BadArgument, match="--name"):
        load_source(long, invented)


def _save(model: keras.Model, path: Path) -> Path:
    model.save(path)
    return path


def _model(shape: tuple[int | None, ...], outputs: int) -> keras.Model:
    inputs = keras.Input(shape)
    if None in shape:
        return keras.Model(inputs, keras.layers.Dense(outputs)(keras.layers.GlobalAveragePooling2D()(inputs)))
    return keras.Model(inputs, keras.layers.Dense(outputs)(keras.layers.Flatten()(inputs)))


@pytest.mark.parametrize(
    ("shape", "outputs", "cause"),
    [
        ((30, 30, 1), 10, r"takes input .* keras\.layers\.Resizing\(30, 30\)"),
        ((28, 28, 2), 10, r"takes input \(None, 28, 28, 2\)"),
        ((None, None, 1), 10, "its size is not fixed"),
        ((28, 28, 1), 7, "one number for each of 10 classes"),
    ],
)
def test_models_outside_the_contract_are_refused(
    shape: tuple[int | None, ...], outputs: int, cause: str, invented: Dataset, tmp_path: Path
) -> None:
    """The error names the size, the colour channels or the number of classes."""
    path = _save(_model(shape, outputs), tmp_path / "other.keras")
    with pytest.raises(ModelFileError, match=cause):
        load_source(path, invented)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"hello", TRAINED_CNN.read_bytes()[:5_000]])
def test_what_is_no_keras_file_is_refused(content: bytes, invented: Dataset, tmp_path: Path) -> None:
    """Empty, damaged, foreign and missing files are refused."""
    path = tmp_path / "broken.keras"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not a Keras model"):
        load_source(path, invented)
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_source(tmp_path / "none.keras", invented)


def test_two_inputs_are_refused(invented: Dataset, tmp_path: Path) -> None:
    """A model with two inputs does not take one image."""
    one, two = keras.Input((784,)), keras.Input((784,))
    path = _save(keras.Model([one, two], keras.layers.Dense(10)(keras.layers.Add()([one, two]))), tmp_path / "two.keras")
    with pytest.raises(ModelFileError, match="takes 2 inputs"):
        load_source(path, invented)


def test_a_model_that_answers_nan_is_refused(invented: Dataset, tmp_path: Path) -> None:
    """NaN weights are an error, not quantised."""
    model = _model((784,), 10)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(ModelFileError, match="not finite numbers"):
        load_source(_save(model, tmp_path / "nan.keras"), invented)


@pytest.mark.parametrize("shape", [(784,), (28, 28), (28, 28, 1)])
def test_each_input_shape_of_the_contract_is_converted(shape: tuple[int, ...], invented: Dataset, tmp_path: Path) -> None:
    """784 numbers, 28x28 and 28x28x1 give a file with the predictions of its Keras model."""
    inputs = keras.Input(shape)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    path = _save(keras.Model(inputs, keras.layers.Dense(10)(x)), tmp_path / "shaped.keras")
    conversion = convert(load_source(path, invented), RECIPES["fp32"])
    assert conversion.manifest.accuracy[1].agreeing == len(invented.test)


@pytest.mark.slow
def test_a_model_that_loses_too_much_is_refused_with_its_numbers(invented: Dataset, tmp_path: Path) -> None:
    """One huge weight costs all others their 8-bit precision: the gate fails, the report has the figures, no file is written."""
    trained = fit(TrainingConfig("linear", epochs=8, learning_rate=0.01), invented).model
    inputs = keras.Input((784,))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Dense(10)(x)
    outlier = keras.layers.Dense(10, use_bias=False)
    model = keras.Model(inputs, outlier(x))
    kernel, bias = trained.get_weights()
    model.layers[2].set_weights([kernel, bias])
    spread = np.eye(10, dtype=np.float32)
    spread[:, 0] = 0
    spread[0, 0] = 1
    spread[1, 1:] = 3000.0
    spread[0, 1:] = -3000.0
    outlier.set_weights([spread])
    path = _save(model, tmp_path / "outlier.keras")
    exported = export(path, invented, [RECIPES["int8"]], tmp_path, settings=ConversionSettings(Limits(0.5)))
    assert exported.conversions[0].manifest.verdict.passed is False
    assert not (tmp_path / "outlier-int8.tflite").exists()
    report = json.loads((tmp_path / "outlier-conversion.json").read_text())
    assert report["models"][0]["manifest"]["verdict"]["passed"] is False
    assert report["models"][0]["manifest"]["accuracy"][1]["candidate"]["total"] == 200


def test_layers_are_called_by_a_few_letters(cnn_files: dict[str, Path]) -> None:
    """Keras' names would be 2 KB of a 50 KB file; inputs and outputs keep theirs, which programs may use."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=read_model_file(cnn_files["int8"]).flatbuffer)
    names = [tensor["name"] for tensor in interpreter.get_tensor_details()]
    assert not [name for name in names if "conv2d" in name or "batch_normalization" in name]
    assert sum(map(len, names)) < 1_300
    (signature,) = interpreter.get_signature_list().values()
    assert signature == {"inputs": ["pixels"], "outputs": ["output_0"]}


def test_a_subclassed_model_is_converted_with_its_own_names() -> None:
    """Keras cannot copy it layer by layer, so it is not simplified."""
    from convert.source.simplify import simplify_model

    class Own(keras.Model):  # type: ignore[misc]  # Keras has no types
        pass

    model = Own()
    assert simplify_model(model) is model
