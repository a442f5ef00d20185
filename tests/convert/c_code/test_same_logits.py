"""The C code gives the logits of LiteRT's reference kernels, or of TFLite Micro, for graphs with random weights and for released models."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert.c_code.oracle import reference_logits
from convert.c_code.source import write_c
from convert.tflite_micro.interpreter import run_micro
from edge_runtime.model.model_file import parse_model_file, read_model_file
from tests.conftest import ROOT
from tests.convert.c_code.conftest import SANITIZERS, WARNINGS, run_all
from tests.convert.c_code.graphs import NONE, RELU, RELU6, SAME, VALID, GraphBuilder
from train.data import Dataset

INT4 = ROOT / "train" / "releases" / "int4"
_RANDOM = np.random.default_rng(0)
IMAGES = np.concatenate(
    [
        _RANDOM.integers(0, 256, (6, 28, 28)) * _RANDOM.integers(0, 2, (6, 28, 28)),  # half of the pixels are background
        np.stack([np.full((28, 28), 255), np.zeros((28, 28))]),
    ]
).astype(np.uint8)

EXAMPLES: dict[str, Callable[[GraphBuilder], GraphBuilder]] = {
    "dense": lambda graph: graph.reshape(784).dense(10),
    "two dense": lambda graph: graph.reshape(784).dense(33, RELU).dense(10),
    "strides": lambda graph: graph.convolution(5, (3, 5), (2, 1)).mean().dense(7),
    "dilation": lambda graph: (
        graph.convolution(33, (3, 3), (2, 2), padding=SAME, activation=NONE)
        .convolution(6, (2, 3), dilation=(2, 3), padding=SAME, activation=RELU6)
        .mean(keep_dims=True)
        .reshape(6)
        .dense(10)
    ),
    "depthwise": lambda graph: (
        graph.convolution(3, (5, 5), (3, 3)).convolution(2, (3, 3), (1, 1), (2, 2), SAME, depthwise=True).reshape(384).dense(10)
    ),
    "pools": lambda graph: (
        graph.convolution(4, padding=SAME, activation=NONE)
        .pool("MAX", (3, 2), (2, 3), SAME)
        .pool("AVERAGE", (2, 3), (2, 2), SAME, RELU6)
        .pool("AVERAGE", (2, 2), (1, 1), VALID)
        .reshape(6 * 4 * 4)
        .dense(10, RELU)
    ),
    "one by one": lambda graph: graph.reshape(14, 8, 7).convolution(5, (1, 1)).convolution(1, (14, 8)).reshape(1).dense(2),
    "more logits than inputs": lambda graph: graph.convolution(3, (28, 28)).mean().dense(13),
}


VARIANTS: dict[str, tuple[dict[str, int], tuple[str, ...]]] = {
    "as usual": ({}, tuple(EXAMPLES)),
    "zero point 9": ({"zero_point": 9}, ("two dense", "dilation", "depthwise", "pools")),
    "4 bits": ({"bits": 4}, ("dense", "dilation", "one by one")),
}


def _graphs() -> dict[str, bytes]:
    return {
        f"{name}, {variant}": EXAMPLES[name](GraphBuilder(seed, **settings)).finish()
        for variant, (settings, names) in VARIANTS.items()
        for seed, name in enumerate(names)
    }


@pytest.mark.parametrize("options", [("-O1",), pytest.param(SANITIZERS, marks=pytest.mark.mcu)], ids=["plain", "sanitizers"])
def test_graphs_of_every_operator_give_the_same_logits(compiler: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Bit for bit, without a compiler's warning or a sanitizer's complaint."""
    graphs = _graphs()
    models = [write_c(parse_model_file(graph), f"example-{number}") for number, graph in enumerate(graphs.values())]
    found = run_all(models, IMAGES, tmp_path, compiler, (*WARNINGS, *options))
    expected = [reference_logits(graph, IMAGES) for graph in graphs.values()]
    different = {
        name: int((ours != theirs).sum())
        for name, ours, theirs in zip(graphs, found, expected, strict=True)
        if not np.array_equal(ours, theirs)
    }
    assert different == {}
    assert np.median([len(np.unique(logits)) for logits in expected]) > 10  # not all at their limits


def test_released_models_give_the_same_logits(compiler: str, mnist: Dataset, tmp_path: Path) -> None:
    """Of int8 and int4 files; a product in 16-bit halves, as on Cortex-M0, gives the same."""
    files = [read_model_file(path) for path in (Path("nano"), Path("small"), INT4 / "nano-seed0-int4.tflite")]
    models = [write_c(file, f"{number}") for number, file in enumerate(files)]
    images = mnist.validation.images[:20]
    expected = [reference_logits(file.flatbuffer, images) for file in files]
    for options in (("-O2",), ("-O1", "-DDIGITS_NO_LONG_MULTIPLY")):
        for ours, theirs in zip(run_all(models, images, tmp_path, compiler, options), expected, strict=True):
            assert np.array_equal(ours, theirs)


def _taken_by_micro(graphs: dict[str, bytes]) -> dict[str, bytes]:
    """Those without what TFLite Micro refuses: dense layers of 4 bits with a scale for each channel."""
    return {name: graph for name, graph in graphs.items() if "4 bits" not in name}


@pytest.mark.usefixtures("tflite_micro")
def test_graphs_give_the_logits_of_tflite_micro(compiler: str, tmp_path: Path) -> None:
    """With its rounding; with LiteRT's, some differ."""
    graphs = _taken_by_micro(_graphs())
    expected = [run_micro(graph, IMAGES).outputs for graph in graphs.values()]
    for rounding, equal in (("tflm", True), ("litert", False)):
        models = [
            write_c(parse_model_file(graph), f"{rounding}-{number}", rounding) for number, graph in enumerate(graphs.values())
        ]
        found = run_all(models, IMAGES, tmp_path, compiler, ("-O1",))
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True)) == equal


@pytest.mark.usefixtures("tflite_micro")
def test_released_models_give_the_logits_of_tflite_micro(compiler: str, mnist: Dataset, tmp_path: Path) -> None:
    """Of int8 and int4 files."""
    files = [read_model_file(path) for path in (Path("nano"), Path("small"), INT4 / "nano-seed0-int4.tflite")]
    models = [write_c(file, f"{number}", "tflm") for number, file in enumerate(files)]
    images = mnist.validation.images[:100]
    for ours, file in zip(run_all(models, images, tmp_path, compiler, ("-O2",)), files, strict=True):
        assert np.array_equal(ours, run_micro(file.flatbuffer, images).outputs)


def _random_graph(seed: int, last_bits: int | None = None) -> bytes:
    """A chain of one to four layers with random sizes, and a dense layer of other bits, if given."""
    random = np.random.default_rng(seed)

    def pair(low: int, high: int) -> tuple[int, int]:
        return int(random.integers(low, high + 1)), int(random.integers(low, high + 1))

    graph = GraphBuilder(seed, int(random.choice([-128, -128, 11, -70, 127])), int(random.choice([8, 8, 4])))
    shapes = [(28, 28, 1), (14, 8, 7), (7, 16, 7), (49, 16, 1), (4, 4, 49), (56, 14, 1), (28, 14, 2)]
    graph.reshape(*shapes[random.integers(len(shapes))])
    for _ in range(random.integers(1, 5)):
        padding, activation = (SAME, VALID)[random.integers(2)], (NONE, RELU, RELU6)[random.integers(3)]
        kernel, stride, dilation = pair(1, 5), pair(1, 3), pair(1, 3)
        _, height, width, _ = graph.shape
        kernel = (min(kernel[0], height), min(kernel[1], width))
        dilation = tuple(
            1 if (length - 1) * step + 1 > size else step
            for length, step, size in zip(kernel, dilation, (height, width), strict=True)
        )
        if max(dilation) > 1:
            stride = (1, 1)
        kind = random.choice(["convolution", "convolution", "depthwise", "AVERAGE", "MAX"])
        if kind == "convolution":
            graph.convolution(int(random.integers(1, 34)), kernel, stride, dilation, padding, activation)
        elif kind == "depthwise" and graph.shape[3] <= 16:
            graph.convolution(int(random.integers(1, 3)), kernel, stride, dilation, padding, activation, depthwise=True)
        elif kind in ("AVERAGE", "MAX"):
            graph.pool(kind, kernel, stride, padding, activation)
    if random.integers(2) or np.prod(graph.shape) > 4000:
        graph.mean(keep_dims=bool(random.integers(2)))
    graph.bits = last_bits or graph.bits
    return graph.reshape(int(np.prod(graph.shape))).dense(int(random.integers(2, 34))).finish()


@pytest.mark.sweep
@pytest.mark.parametrize("batch", range(20))
def test_random_graphs_give_the_same_logits(compiler: str, tmp_path: Path, batch: int) -> None:
    """Strides, dilation, padding, channels 1 to 33, odd sizes, zero points, 4-bit weights."""
    graphs = [_random_graph(seed) for seed in range(50 * batch, 50 * batch + 50)]
    models = [write_c(parse_model_file(graph), f"random-{number}") for number, graph in enumerate(graphs)]
    found = run_all(models, IMAGES, tmp_path, compiler, (*WARNINGS, *SANITIZERS))
    for number, (ours, graph) in enumerate(zip(found, graphs, strict=True)):
        assert np.array_equal(ours, reference_logits(graph, IMAGES)), f"seed {50 * batch + number}"


@pytest.mark.sweep
@pytest.mark.usefixtures("tflite_micro")
@pytest.mark.parametrize("batch", range(4))
def test_random_graphs_give_the_logits_of_tflite_micro(compiler: str, tmp_path: Path, batch: int) -> None:
    """With its rounding."""
    graphs = [_random_graph(seed, last_bits=8) for seed in range(50 * batch, 50 * batch + 50)]
    models = [write_c(parse_model_file(graph), f"random-{number}", "tflm") for number, graph in enumerate(graphs)]
    found = run_all(models, IMAGES, tmp_path, compiler, ("-O1",))
    for number, (ours, graph) in enumerate(zip(found, graphs, strict=True)):
        assert np.array_equal(ours, run_micro(graph, IMAGES).outputs), f"seed {50 * batch + number}"
