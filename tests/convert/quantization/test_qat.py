"""Quantisation-aware training and the search for layers in higher precision, on a trained network."""

import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from convert.build import build_flatbuffer
from convert.conversion import convert
from convert.evaluation.gate import Limits
from convert.flatbuffer.float_model import FloatModel
from convert.quantization.activation_ranges import Range, ranges_on
from convert.quantization.fake_quant_model import FakeQuantModel
from convert.quantization.qat import train_for_integers
from convert.quantization.quantizer import WeightBits, quantize, weight_bits, weighted, with_more_bits
from convert.quantization.recipes import RECIPES
from convert.reporting.summary import find_warnings
from convert.settings import ConversionSettings
from convert.source.source import Source, load_source
from edge_runtime.errors import InputError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.graph import read_graph
from edge_runtime.model.model_file import parse_model_file
from tests.commands import digits, one_line
from train.backend import keras, layers
from train.config.training_config import Augmentation, TrainingConfig
from train.data import Dataset
from train.loop.trainer import train_run


@pytest.mark.slow
def test_training_makes_4_bits_as_good_as_floats(trained_cnn: Path, mnist_slice: Dataset) -> None:
    """Logits are closer to the float model's than without it, at half the bytes of int8, reproducibly."""
    source = load_source(trained_cnn, mnist_slice)
    without, trained, again, int8 = (
        convert(source, RECIPES[recipe], ConversionSettings(Limits(100), qat=qat))
        for recipe, qat in (("int4", 0), ("int4", 2), ("int4", 2), ("int8", 0))
    )
    errors = [float(np.mean((found.evaluation.test.logits - source.test_logits) ** 2)) for found in (without, trained)]
    assert errors[1] < errors[0]
    assert trained.manifest.accuracy[1].candidate.correct >= without.manifest.accuracy[1].candidate.correct
    assert trained.model.graph.payload_bytes < 0.62 * int8.model.graph.payload_bytes
    assert trained.content == again.content
    assert trained.manifest.origin.calibration["qat_epochs"] == 2
    assert "--qat 2" in trained.manifest.origin.command


@pytest.mark.slow
def test_the_file_agrees_with_what_was_trained(trained_cnn: Path, mnist: Dataset, mnist_slice: Dataset) -> None:
    """On 10,000 test images, at least 9,990 labels agree, and nearly all logits to one output step."""
    source = load_source(trained_cnn, mnist_slice)
    from convert.flatbuffer.float_model import FloatModel
    from convert.quantization.activation_ranges import ranges_on

    ranges, bits = ranges_on(source.floats, mnist_slice.x_train[:200]), weight_bits(source.floats, 4)
    floats, learned = train_for_integers(source.floats, mnist_slice, ranges, bits, 1, quiet=True)
    quantised = quantize(floats, learned, bits)
    model = FakeQuantModel(FloatModel(floats), learned, bits)
    found = Classifier(parse_model_file(quantised, "x"), in_process=True).classify_batch(mnist.test.images)
    expected = model.predict(mnist.test.images)
    assert int(np.sum(expected.argmax(axis=1) == found.indices)) >= 9_990
    steps = np.abs(expected - found.logits) / read_graph(quantised).outputs[0].scale
    assert (steps < 1.01).mean() > 0.995


@pytest.mark.slow
def test_keeping_layers_higher_makes_int4_pass(trained_cnn: Path, mnist_slice: Dataset) -> None:
    """If int4 fails the gate on validation images, a few layers have 8 bits, and the manifest names them."""
    source = load_source(trained_cnn, mnist_slice)
    strict = Limits(100, min_agreement=98.5)
    refused = convert(source, RECIPES["int4"], ConversionSettings(strict))
    kept = convert(source, RECIPES["int4"], ConversionSettings(strict, keep_passing=True))
    kept_higher = kept.manifest.origin.calibration.get("spared", [])
    agreeing = [found.manifest.accuracy[0].agreeing for found in (refused, kept)]
    assert agreeing[1] > agreeing[0]
    assert 1 <= len(kept_higher) < len(weighted(source.floats, weight_bits(source.floats, 4)))
    assert all(name.endswith("CONV_2D") for name in kept_higher)
    assert kept.model.graph.payload_bytes > refused.model.graph.payload_bytes
    assert "--keep-passing" in kept.manifest.origin.command


def _int8_weights(flatbuffer: bytes) -> list[np.ndarray]:
    """The integers of each dense layer with 8-bit weights."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
    return [
        np.asarray(model.buffers[tensor.buffer].data, np.uint8)
        for tensor in model.subgraphs[0].tensors
        if tensor.type == schema.TensorType.INT8 and len(tensor.shape) == 2 and model.buffers[tensor.buffer].data is not None
    ]


@pytest.fixture(scope="module")
def dense(invented: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A dense network of three layers, trained on invented digits."""
    folder = tmp_path_factory.mktemp("runs") / "dense"
    train_run(TrainingConfig("mlp", hidden=(24, 16), epochs=3), invented, folder, quiet=True)
    return load_source(folder / "model.keras", invented)


def test_each_choice_of_layers_is_trained_by_itself(dense: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --qat, a layer in higher precision is trained in it: weights on the steps of 4 bits would gain nothing by 8."""
    trained: list[list[int]] = []

    def train(
        floats: bytes, _data: Dataset, ranges: dict[int, Range], bits: WeightBits, *_: object
    ) -> tuple[bytes, dict[int, Range]]:
        trained.append([bits(operation) for operation in FloatModel(floats).operations if operation.kind == "FULLY_CONNECTED"])
        return floats, ranges

    monkeypatch.setattr("convert.quantization.qat.train_for_integers", train)
    monkeypatch.setattr("convert.build._passes", lambda *_: len(trained) == 2)
    built = build_flatbuffer(dense, RECIPES["int4"], ConversionSettings(Limits(100), qat=1, keep_passing=True))
    assert len(built.kept_higher) == 1
    assert trained[0] == [4, 4, 8]
    assert sorted(trained[1]) == [4, 8, 8]
    assert all(len(np.unique(weights)) > 16 for weights in _int8_weights(built.unfolded))


def test_the_conversion_says_which_quantiser_made_an_8_bit_file(dense: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow's without further options, litert-quantizer with --qat: a warning and the manifest tell the latter."""
    monkeypatch.setattr("convert.quantization.qat.train_for_integers", lambda floats, _data, ranges, *_: (floats, ranges))
    usual, other = (convert(dense, RECIPES["int8"], ConversionSettings(Limits(100), qat=qat)) for qat in (0, 1))
    assert (usual.build.quantizer, other.build.quantizer) == ("tensorflow", "litert-quantizer")
    assert "quantizer" not in usual.manifest.origin.calibration
    assert other.manifest.origin.calibration["quantizer"] == "litert-quantizer"
    assert [str(found) for found in find_warnings([usual])] == []
    assert [str(found) for found in find_warnings([other])] == [
        "int8: quantised by litert-quantizer, not by TensorFlow's quantiser"
    ]


def test_where_no_choice_of_layers_passes_none_is_taken(dense: Source) -> None:
    """The file keeps its 4-bit weights, and the conversion says that nothing passes."""
    settings = ConversionSettings(Limits(100, min_accuracy=100), keep_passing=True)
    found = convert(dense, RECIPES["int4"], settings)
    assert found.build.none_passes
    assert found.build.kept_higher == ()
    assert "int4" in {tensor.dtype for tensor in found.model.graph.tensors}
    assert "no choice of layers in higher precision passes" in " ".join(map(str, find_warnings([found])))


def test_a_choice_on_few_validation_images_asks_for_what_they_can_prove(dense: Source) -> None:
    """50 validation images prove no drop below 7 points; int8 that loses none of them needs no layer in floats."""
    found = convert(dense, RECIPES["int8"], ConversionSettings(Limits(0.5), keep_passing=True))
    assert found.manifest.accuracy[0].lost == 0
    assert found.build.candidates == 0


def test_int4_without_a_4_bit_weight_is_refused(mnist_slice: Dataset, tmp_path: Path) -> None:
    """Depthwise convolutions have 8-bit weights, so a network of them alone would be int8 by another name."""
    inputs = keras.Input((28, 28, 1))
    x = layers.DepthwiseConv2D(28, depth_multiplier=10)(inputs)
    keras.Model(inputs, layers.Reshape((10,))(x)).save(tmp_path / "d.keras")
    source = load_source(tmp_path / "d.keras", mnist_slice, input_scale="0..255")
    with pytest.raises(InputError, match=r"no layer whose weights can have 4 bits.* --recipe int8"):
        build_flatbuffer(source, RECIPES["int4"], ConversionSettings(Limits(100)))


@pytest.mark.slow
def test_a_layer_of_int8_kept_higher_stays_in_floats(trained_cnn: Path, mnist_slice: Dataset) -> None:
    """Only its weights are not quantised."""
    from convert.quantization.activation_ranges import ranges_on

    source = load_source(trained_cnn, mnist_slice)
    bits = weight_bits(source.floats, 8)
    first = weighted(source.floats, bits)[0]
    mixed = quantize(source.floats, ranges_on(source.floats, mnist_slice.x_train[:200]), with_more_bits(bits, {first}))
    kinds = {tensor.dtype for tensor in read_graph(mixed).tensors if len(tensor.shape) == 4 and tensor.payload_bytes}
    assert kinds == {"float32", "int8"}
    answers = Classifier(parse_model_file(mixed, "x"), in_process=True).classify_batch(mnist_slice.x_test)
    assert int(np.sum(answers.indices == source.test_logits.argmax(axis=1))) >= 995


@pytest.mark.parametrize(("augmentation", "views"), [(None, 1), (Augmentation(shift=1), 3)])
def test_without_augmentation_the_teacher_is_asked_once(
    augmentation: Augmentation | None, views: int, dense: Source, invented: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All epochs have the same images then."""
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr("convert.quantization.qat.fit_weights", lambda *_, teacher_logits, **__: asked.append(teacher_logits.shape))
    config = TrainingConfig("mlp", augmentation=augmentation)
    ranges = ranges_on(dense.floats, invented.x_train[:20])
    train_for_integers(dense.floats, invented, ranges, weight_bits(dense.floats, 4), 3, config, quiet=True)
    assert asked == [(views, 550, 10)]


def test_training_is_for_integers_alone(data_file: Path, in_this_process: None) -> None:
    """Exit 2, before the model is loaded."""
    error = one_line(digits("convert", "none.keras", "--data", data_file, "--recipe", "fp16", "--qat", 1), 2)
    assert "for int8 and int4, not for fp16" in error


@pytest.mark.slow
def test_layers_and_the_gallery_are_written(trained_cnn: Path, tmp_path: Path, mnist_slice: Dataset, in_this_process: None) -> None:
    """A table with columns for each recipe, a plot, a picture of the images whose label changed, and JSON figures."""
    from tests.samples import arrays_of, write_npz

    data = write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice))
    words = ("convert", trained_cnn, "--data", data, "--out", tmp_path / "out", "--max-drop", 5, "--layers")
    answer = digits(*words, "--recipe", "int8", "--recipe", "int4", "--calibration", "moving-average")
    assert answer.code == 0, answer.err
    assert "int8 dB" in answer.out
    assert "int4 cosine" in answer.out
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"cnn-int8.tflite", "cnn-int4.tflite", "cnn-int4-changed.png", "cnn-layers.png", "cnn-conversion.json"} <= files
    models = json.loads((tmp_path / "out" / "cnn-conversion.json").read_text())["models"]
    for model in models:
        assert [layer["operator"] for layer in model["layers"]][-2:] == ["MEAN", "FULLY_CONNECTED"]
        assert model["largest_logit_error"] > 0
        assert len(model["class_drop_intervals"]) == 10
        assert model["manifest"]["origin"]["calibration"]["method"] == "moving-average"


def test_an_unknown_method_of_calibration_is_exit_2(trained_cnn: Path, data_file: Path) -> None:
    """The error lists the known ones."""
    words = ("convert", trained_cnn, "--data", data_file, "--recipe", "int8", "--calibration", "median")
    assert "known are min-max, moving-average" in one_line(digits(*words), 2)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["min-max", "moving-average"])
def test_ranges_are_those_of_the_images(method: str, trained_cnn: Path, mnist_slice: Dataset) -> None:
    """The range of the logits equals one computed here, image by image."""
    from convert.flatbuffer.float_model import FloatModel
    from convert.quantization.activation_ranges import MOMENTUM, ranges_on

    source = load_source(trained_cnn, mnist_slice)
    images = mnist_slice.x_train[:150]
    logits = FakeQuantModel(FloatModel(source.floats)).predict(images)
    low, high = ranges_on(source.floats, images, method)[FloatModel(source.floats).output]
    if method == "min-max":
        expected = float(logits.min()), float(logits.max())
    else:
        averages = [logits[0].min(), logits[0].max()]
        for row in logits[1:]:
            averages = [MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(averages, (row.min(), row.max()), strict=True)]
        expected = float(averages[0]), float(averages[1])
    assert (low, high) == pytest.approx(expected, abs=1e-3)
