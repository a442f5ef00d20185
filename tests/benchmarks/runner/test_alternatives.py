"""Other runtimes: the same network gives the same answers, and missing packages are reported."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.backends import interpreter, plain_numpy
from benchmarks.backends.network import write_network
from benchmarks.results.results import OTHER_FILES
from benchmarks.runner import config
from benchmarks.runner.alternatives import ALTERNATIVES, find_cases, parse_against, parse_environments
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run
from benchmarks.runner.worker_pool import WorkerPool
from benchmarks.worker.client import OURS, Environment
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.errors import BadArgument, InputError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import MODELS, read_model_file
from train.data import Dataset


@pytest.mark.parametrize("name", ["nano", "small", "base"])
def test_plain_numpy_computes_what_the_interpreter_does(name: str, tmp_path: Path, mnist: Dataset) -> None:
    """Every released network, from the weights in its float32 file: the same class for 200 digits."""
    path = MODELS / f"{name}-fp32.tflite"
    write_network(read_model_file(path).flatbuffer, tmp_path / "network.npz")
    backend = plain_numpy.load("", 1, {"network": str(tmp_path / "network.npz")})
    images = mnist.test.images[:200]
    expected = Classifier.load(path).classify_batch(images).indices
    assert np.array_equal(backend.many(images), expected)
    assert [backend.one(image) for image in images[:5]] == expected[:5].tolist()


def test_each_number_of_numpys_threads_has_a_process_of_its_own(tmp_path: Path) -> None:
    """Numpy's BLAS reads its number of threads when it is loaded. A restart keeps that."""
    (tmp_path / "telling.py").write_text(
        "import os\nfrom benchmarks.backends import LoadedModel\nDISTRIBUTIONS = ()\n"
        "def prepare(options): pass\n"
        "def load(model, threads, options):\n"
        "    return LoadedModel(len, lambda images: [int(os.environ['OPENBLAS_NUM_THREADS'])] * len(images))\n"
    )
    images = tmp_path / "images.npy"
    np.save(images, np.zeros((2, 28, 28), np.uint8))
    environment = Environment("theirs", sys.executable, os.pathsep.join([OURS.path, str(tmp_path)]))
    model = read_model_file(MODELS / "nano-int8.tflite")
    case = Case("theirs", "1", model, "nano", environment, BackendSpec("telling", "", 1), threads_of_process=True)
    with WorkerPool({case: (1, 4)}, Settings("board"), images, 0) as pool:
        assert pool.start() == {}
        assert [pool.backend(case, threads).classify(images) for threads in (1, 4)] == [[1, 1], [4, 4]]
        assert pool.restart(case, without=False) == {}
        assert pool.backend(case, 4).classify(images) == [4, 4]
    assert ALTERNATIVES["numpy"].threads_of_process
    assert not ALTERNATIVES["interpreter"].threads_of_process


def test_ways_that_load_another_file_are_known_by_name() -> None:
    """`OTHER_FILES` names them; the sizes of all others are those of the .tflite."""
    assert {found.way for found in ALTERNATIVES.values() if found.needs} == OTHER_FILES


def test_a_network_with_pooling_and_padding_is_computed_too(tmp_path: Path, invented: Dataset) -> None:
    """Every supported kind of layer, with strides, dilation and both paddings, against the interpreter's logits."""
    from convert.quantization.recipes import find_recipe
    from convert.source.tf_converter import to_flatbuffer
    from train.backend import keras, layers

    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(4, 5, strides=2, padding="same", activation="relu")(inputs)
    x = layers.DepthwiseConv2D(3, padding="valid")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(6, 3, dilation_rate=2, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(10)(layers.Dense(12, activation="relu")(x)))
    path = tmp_path / "model.tflite"
    path.write_bytes(to_flatbuffer(model, find_recipe("fp32"), invented.x_train[:10]))
    write_network(path.read_bytes(), tmp_path / "network.npz")
    found = plain_numpy.load("", 1, {"network": str(tmp_path / "network.npz")})
    theirs = interpreter.load(str(path), 1, {"module": "ai_edge_litert.interpreter"})
    assert found.many(invented.x_test[:50]).tolist() == theirs.many(invented.x_test[:50])


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "columns"),
    [(5, 2, "valid", 4), (5, 1, "valid", 2), (3, 2, "same", 4), (5, 1, "same", 2), ((2, 6), 2, "same", 4), (1, 1, "valid", 4)],
)
def test_a_folded_convolution_is_handed_on_as_it_was_before(
    kernel: int | tuple[int, int], strides: int, padding: str, columns: int, tmp_path: Path
) -> None:
    """The very arrays and layers of the file whose convolution takes one column at a time."""
    from convert.flatbuffer.space_to_depth import to_space_to_depth
    from convert.quantization.recipes import find_recipe
    from convert.source.tf_converter import to_flatbuffer
    from train.backend import keras, layers

    inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(4, kernel, strides=strides, padding=padding, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3)(x))))
    plain = to_flatbuffer(model, find_recipe("fp32"))
    folded = to_space_to_depth(plain, columns)
    assert folded != plain
    write_network(plain, tmp_path / "plain.npz")
    write_network(folded, tmp_path / "folded.npz")
    with np.load(tmp_path / "plain.npz") as before, np.load(tmp_path / "folded.npz") as after:
        one, other = (json.loads(str(held["layers"])) for held in (before, after))
        named = [[layer.pop("weights", []) for layer in found] for found in (one, other)]
        assert one == other
        for names, others in zip(*named, strict=True):
            assert all(np.array_equal(before[name], after[another]) for name, another in zip(names, others, strict=True))


def test_a_quantised_model_is_no_network_for_others() -> None:
    """Its weights mean nothing without their scales."""
    with pytest.raises(InputError, match="other packages run float32 models only"):
        write_network(read_model_file(MODELS / "nano-int8.tflite").flatbuffer, Path("never"))


@pytest.mark.slow
def test_alternatives_take_turns_with_ours(tmp_path: Path, mnist: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one run, in the same processes, with the same number of correct answers; int8 files are for those that can run them."""
    monkeypatch.setattr(config, "_COLD_STARTS", 1)
    few = Dataset("few", mnist.x_train[:400], mnist.y_train[:400], mnist.x_test[:200], mnist.y_test[:200])
    paths = [MODELS / "nano-fp32.tflite", MODELS / "nano-int8.tflite"]
    found = find_cases(["interpreter", "compiled-model", "numpy"], paths, 1, {}, None, few, tmp_path)
    assert found.absent == ()
    result = run(paths, Settings("board", samples=6, starts=2), few, others=found.cases)
    assert [(model.way, model.recipe) for model in result.models] == [
        ("Classifier.classify", "float32"),
        ("Classifier.classify", "static_wi8_ai8"),
        ("ai-edge-litert Interpreter", "float32"),
        ("ai-edge-litert Interpreter", "static_wi8_ai8"),
        ("ai-edge-litert CompiledModel", "float32"),
        ("ai-edge-litert CompiledModel", "static_wi8_ai8"),
        ("plain numpy", "float32"),
    ]
    for model in result.models:
        reference = result.models[model.recipe != "float32"]
        assert model.accuracy is not None
        assert reference.accuracy is not None
        assert model.accuracy.correct == reference.accuracy.correct


def test_what_is_missing_is_a_line(tmp_path: Path) -> None:
    """A package, an environment, the Keras model, a float32 file: each line says what to do, and nothing fails."""
    pythons = {"openvino": tmp_path / "none" / "python"}
    names = ["tflite-runtime", "openvino", "keras-call", "numpy"]
    found = find_cases(names, [MODELS / "nano-int8.tflite"], 1, pythons, None, None, tmp_path)
    assert found.cases == ()
    missing, gone, keras, floats = found.absent
    assert missing.startswith(
        "tflite-runtime: tflite-runtime is not installed in this environment; pip install tflite-runtime==2.14.0"
    )
    assert "--environment tflite-runtime=ENVIRONMENT/bin/python" in missing
    assert gone.startswith(f"OpenVINO: openvino is not installed in {pythons['openvino']}")
    assert keras == "Keras call: needs the Keras model; give --keras MODEL.keras"
    assert floats == "plain numpy: runs float32 models only, and none was given"


@pytest.mark.slow
def test_an_alternative_that_cannot_start_is_a_line(tmp_path: Path) -> None:
    """It is left out; ours is measured."""
    found = find_cases(["keras-call"], [MODELS / "nano-fp32.tflite"], 1, {}, tmp_path / "gone.keras", None, tmp_path)
    result = run([MODELS / "nano-fp32.tflite"], Settings("board", samples=3), None, others=found.cases)
    assert [model.way for model in result.models] == ["Classifier.classify"]
    assert len(result.absent) == 1
    assert result.absent[0].startswith("Keras call: ")
    assert "the cold start failed" in result.absent[0]


def test_names_are_checked() -> None:
    """Both messages list those that are known."""
    assert parse_against("all") == list(ALTERNATIVES)
    assert parse_against("all,") == parse_against("numpy, all") == list(ALTERNATIVES)
    assert parse_against("numpy,openvino, numpy,") == ["numpy", "openvino"]
    assert parse_against("") == []
    with pytest.raises(BadArgument, match="unknown runtime 'tensorrt'; known are interpreter, "):
        parse_against("tensorrt")
    assert parse_environments([f"numpy={sys.executable}"]) == {"numpy": Path(sys.executable)}
    for text in ("numpy", "numpy=", "tensorrt=/python"):
        with pytest.raises(BadArgument, match="expected NAME=PYTHON; names are interpreter, "):
            parse_environments([text])
