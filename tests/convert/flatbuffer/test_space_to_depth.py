"""Folding the first convolution keeps all outputs, and other convolutions are not changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convert.flatbuffer.space_to_depth import to_space_to_depth
from convert.flatbuffer.strip import strip
from convert.quantization.recipes import RECIPES
from convert.settings import ConversionSettings
from convert.source.tf_converter import to_flatbuffer
from edge_runtime.errors import BadArgument
from edge_runtime.model.graph import read_graph
from edge_runtime.model.model_file import read_model_file
from tests.commands import digits
from tests.conftest import ROOT
from tests.samples import arrays_of, write_npz
from train.backend import keras, layers
from train.config.config_file import RELEASED
from train.data import Dataset

NANO = ROOT / "train" / "releases" / "nano-seed0" / "model.keras"
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)


def _outputs(flatbuffer: bytes, images: NDArray[np.uint8], kernels: OpResolverType = OpResolverType.AUTO) -> NDArray[Any]:
    """Raw outputs, [N, classes], all images at once."""
    interpreter = Interpreter(model_content=flatbuffer, experimental_op_resolver_type=kernels)
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], [len(images), *source["shape"][1:]])
    interpreter.allocate_tensors()
    pixels = images.reshape(len(images), *source["shape"][1:])
    steps = pixels.astype(np.int16) - 128 if source["dtype"] == np.int8 else pixels  # ranges of pixels are 0 to 255
    interpreter.set_tensor(source["index"], steps.astype(source["dtype"]))
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(sink["index"]))


def _operators(flatbuffer: bytes) -> list[str]:
    return [operator.name for operator in read_graph(flatbuffer).operators]


def _weights_of_first(flatbuffer: bytes) -> tuple[int, ...]:
    """The shape of the only convolution's weights."""
    (shape,) = [tensor.shape for tensor in read_graph(flatbuffer).tensors if len(tensor.shape) == 4 and tensor.payload_bytes]
    return shape


def _flatbuffer(recipe: str, body: list[Any]) -> bytes:
    """Convert a network with random weights by a recipe, calibrated on random images."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((28, 28, 1))
    x: Any = layers.Rescaling(1 / 255)(inputs)
    for layer in body:
        x = layer([x, x, x] if isinstance(layer, layers.Concatenate) else x)
    model = keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(np.random.default_rng(2).normal(size=weight.shape))
    return to_flatbuffer(model, RECIPES[recipe], IMAGES)


@pytest.mark.parametrize("recipe", ["fp32", *(pytest.param(name, marks=pytest.mark.slow) for name in ("fp16", "dynamic")), "int8"])
@pytest.mark.parametrize(
    "kernels", [OpResolverType.AUTO, pytest.param(OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, marks=pytest.mark.slow)]
)
def test_a_trained_network_answers_the_same(recipe: str, kernels: OpResolverType, mnist_slice: Dataset) -> None:
    """Integer sums are bit for bit equal in XNNPACK and in TFLite's own kernels; float sums may be added in another order."""
    plain = strip(to_flatbuffer(keras.models.load_model(NANO), RECIPES[recipe], mnist_slice.x_train[:50]))
    folded = strip(to_space_to_depth(plain, 2))
    assert _operators(folded).count("RESHAPE") == 2
    before, after = (_outputs(content, mnist_slice.x_test[:100], kernels) for content in (plain, folded))
    if before.dtype == np.float32:
        assert np.allclose(before, after, rtol=0, atol=1e-5 * np.abs(before).max())
    else:
        assert np.array_equal(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [2, 4])
@settings(max_examples=20, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    stride=st.integers(1, 4),
    features=st.integers(1, 9),
    width=st.integers(8, 28),
    padding=st.sampled_from(["valid", "same"]),
    bias=st.booleans(),
)
def test_any_convolution_answers_the_same(
    columns: int, kernel: tuple[int, int], stride: int, features: int, width: int, padding: str, bias: bool
) -> None:
    """For any kernel, stride, width and padding; it is folded if and only if its columns divide into groups."""
    assume(width >= kernel[1])
    crop = layers.Cropping2D(((0, 0), (0, 28 - width)))  # calibration images are 28 pixels wide
    layer = layers.Conv2D(features, kernel, stride, padding, use_bias=bias, activation="relu")
    plain = _flatbuffer("int8", [crop, layer] if width < 28 else [layer])
    folded = to_space_to_depth(plain, columns)
    out = -(-(width - (kernel[1] - 1 if padding == "valid" else 0)) // stride)
    left = max(stride * (out - 1) + kernel[1] - width, 0) // 2 if padding == "same" else 0
    fits = [group for group in (4, 2) if group <= columns and _divides(group, width, out, kernel[1], stride, left, padding)]
    assert (folded != plain) == bool(fits)
    if fits:
        weights = _weights_of_first(strip(folded))
        assert (weights[0], weights[1], weights[3]) == (fits[0] // stride * features, kernel[0], fits[0])
    assert np.array_equal(_outputs(plain, IMAGES), _outputs(folded, IMAGES))


def _divides(group: int, width: int, out: int, kernel: int, stride: int, left: int, padding: str) -> bool:
    """Whether groups of output and input columns align, with as many groups on both sides as the padding has."""
    if group % stride or width % group or out % (group // stride):
        return False
    columns = range(-left, stride * (group // stride - 1) + kernel - left)  # that the first group of outputs sees
    seen = len({column // group for column in columns})
    before = len({column // group for column in columns if column < 0})
    groups = out // (group // stride)
    if padding == "valid":
        return groups == width // group - seen + 1
    return groups == width // group and before == (seen - 1) // 2


@pytest.mark.parametrize(
    ("layer", "columns"),
    [
        (layers.Conv2D(8, 5, strides=2), 4),  # 16 output channels
        (layers.Conv2D(8, 5), 2),
        (layers.Conv2D(8, 3, strides=2, padding="same"), 4),
        (layers.Conv2D(16, 5), 1),
        (layers.Conv2D(8, 3, strides=2), 1),  # 13 output columns, which are no pairs
    ],
)
def test_floats_are_folded_as_far_as_registers_get_fuller(layer: Any, columns: int) -> None:
    """Not with more than sixteen output channels, or no more than before, which was measured to be slower."""
    plain = _flatbuffer("fp32", [layer])
    folded = to_space_to_depth(plain)
    assert _weights_of_first(strip(folded))[3] == columns
    assert np.allclose(_outputs(plain, IMAGES), _outputs(folded, IMAGES), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_weights_and_scales_are_those_of_before(mnist_slice: Dataset) -> None:
    """Each filter is repeated for every output column of a group with its scale; all added weights are zero."""
    plain = to_flatbuffer(keras.models.load_model(NANO), RECIPES["int8"], mnist_slice.x_train[:50])
    folded = to_space_to_depth(plain)
    (before, scales), (after, more) = map(_first_constants, (plain, folded))
    times = len(after) // len(before)
    assert times > 1
    assert np.array_equal(more, np.tile(scales, times))
    for number, filters in enumerate(after):
        assert sorted(filters[filters != 0]) == sorted(before[number % len(before)][before[number % len(before)] != 0])


def _first_constants(flatbuffer: bytes) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights of the first convolution, and their scales."""
    interpreter = Interpreter(model_content=flatbuffer, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    first = next(entry for entry in interpreter._get_ops_details() if entry["op_name"] == "CONV_2D")
    details = {entry["index"]: entry for entry in interpreter.get_tensor_details()}[first["inputs"][1]]
    return interpreter.get_tensor(details["index"]), details["quantization_parameters"]["scales"]


@pytest.mark.parametrize(
    "body",
    [
        [layers.Conv2D(4, 3, dilation_rate=2)],
        [layers.Conv2D(4, 3, strides=3)],
        [layers.DepthwiseConv2D(5)],
        [layers.MaxPooling2D(2)],
    ],
    ids=["dilated", "indivisible", "depthwise", "none"],
)
def test_other_networks_stay_as_they_are(body: list[Any]) -> None:
    """Dilation, strides that do not divide groups, and networks without such a convolution."""
    plain = _flatbuffer("int8", body)
    assert to_space_to_depth(plain) is plain


def test_a_convolution_of_colours_stays_as_it_is() -> None:
    """Kernels use three channels already."""
    plain = _flatbuffer("int8", [layers.Concatenate(), layers.Conv2D(4, 5)])
    assert to_space_to_depth(plain) is plain


def test_four_bit_weights_stay_as_they_are() -> None:
    """Two 4-bit weights share a byte."""
    paths = list((ROOT / "train" / "releases" / "int4").glob("*.tflite"))
    assert paths
    for path in paths:
        plain = read_model_file(path).flatbuffer
        assert to_space_to_depth(plain) is plain, path


@pytest.mark.parametrize("kernels", [OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES])
def test_8_bit_weights_beside_float_activations_are_folded(kernels: OpResolverType) -> None:
    """As in large dynamic files; the scale of each image is computed as before."""
    plain = _flatbuffer("dynamic", [layers.Conv2D(64, 5)])
    folded = to_space_to_depth(plain)
    assert _weights_of_first(strip(folded))[3] == 4
    assert np.allclose(_outputs(plain, IMAGES, kernels), _outputs(folded, IMAGES, kernels), rtol=1e-5, atol=1e-5)


def test_activations_of_16_bits_stay_as_they_are() -> None:
    """Their kernels multiply one by one, so zeros take time."""
    plain = _flatbuffer("int16x8", [layers.Conv2D(8, 5)])
    assert to_space_to_depth(plain) is plain


def test_float16_weights_are_unpacked_once() -> None:
    """The DEQUANTIZE of the old weights is removed."""
    plain = _flatbuffer("fp16", [layers.Conv2D(8, 5)])
    before, after = (_operators(content) for content in (plain, strip(to_space_to_depth(plain))))
    assert sorted(after) == sorted([*before, "RESHAPE", "RESHAPE"])


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_the_command_folds_by_its_option(trained_cnn: Path, mnist_slice: Dataset, tmp_path: Path) -> None:
    """Four columns by default; with 1 the file is smaller; the manifest's command names values other than the default."""
    data, sizes = write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice)), {}
    for columns in ("4", "1"):
        out = tmp_path / columns
        chosen = () if columns == "4" else ("--fold-columns", columns)
        words = ("convert", trained_cnn, "--recipe", "int8", "--data", data, "--out", out, "--max-drop", 5)
        assert digits(*words, *chosen).code == 0
        model = read_model_file(out / "cnn-int8.tflite")
        sizes[columns] = model.graph.payload_bytes
        assert model.manifest is not None
        assert (f"--fold-columns {columns}" in model.manifest.origin.command) == (columns != "4")
        assert _operators(model.flatbuffer).count("RESHAPE") == (0 if columns == "1" else 2)
        assert model.manifest.minimum_runtime == {"ai-edge-litert": "1.4.0", "tflite-runtime": "2.14.0"}
    assert sizes["1"] < sizes["4"]


def test_another_number_of_columns_is_refused() -> None:
    """The settings and the command refuse them."""
    with pytest.raises(BadArgument, match="fold_columns is 3, expected 1, 2 or 4"):
        ConversionSettings(fold_columns=3)
    answer = digits("convert", "x.keras", "--fold-columns", "3")
    assert (answer.code, "'3' is not one of '1', '2', '4'" in answer.err) == (2, True)


def test_released_models_are_folded() -> None:
    """All shipped files are folded as far as their byte budgets allow, except base-fp32, whose output channels fill registers already."""
    for name in RELEASED:
        for recipe in ("fp32", "int8"):
            folded = (name, recipe) != ("base", "fp32")
            model = read_model_file(ROOT / "edge_runtime" / "models" / f"{name}-{recipe}.tflite")
            assert _operators(model.flatbuffer).count("RESHAPE") == 2 * folded, model.name
