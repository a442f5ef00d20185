"""The two plots of a benchmark: pictures with content, drawn from the figures."""

import io

import numpy as np
import PIL.Image
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting import plots
from benchmarks.reporting.plots import accuracy_against_latency, accuracy_against_size
from benchmarks.results.results import ModelResult
from edge_runtime.common.intervals import Accuracy, wilson_interval
from tests.benchmarks.samples import bench_result, model_result
from tests.train.runs.test_plots import decode

PLOTS = pytest.mark.parametrize("plot", [accuracy_against_latency, accuracy_against_size])


def _accuracy(correct: int, total: int) -> Accuracy:
    return Accuracy(correct, total, wilson_interval(correct, total))


def _ink(png: bytes) -> float:
    page = decode(png)
    assert page.shape == (540, 900)
    return float((page < 200).mean())


def _colour(png: bytes) -> float:
    """The share of pixels that are coloured, as points and their bars are: neither axes nor text."""
    channels = np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB"), int)
    return float((np.ptp(channels, axis=2) > 60).mean())


@PLOTS
def test_every_model_with_an_accuracy_is_a_point(plot: object) -> None:
    """More models draw more; one without an accuracy is in the legend alone."""
    second = model_result((9_000,) * 50, name="mlp", file_bytes=200_000, accuracy=_accuracy(97, 100))
    pictures = [plot(bench_result(model_result(), *more)) for more in ((), (second,))]
    assert all(0.005 < _ink(picture) < 0.3 for picture in pictures)
    assert 0 < _colour(pictures[0]) < _colour(pictures[1])


@PLOTS
def test_the_same_results_give_the_same_picture(plot: object) -> None:
    """Bit for bit; another accuracy gives another one."""
    assert plot(bench_result()) == plot(bench_result())
    assert plot(bench_result()) != plot(bench_result(model_result(accuracy=_accuracy(9_000, 10_000))))


@PLOTS
@pytest.mark.parametrize("total", [10, 13, 25, 1_000])
@pytest.mark.parametrize("share", [0, 1])
def test_a_model_that_is_always_or_never_right_is_drawn(plot: object, total: int, share: int) -> None:
    """Its interval ends at the point itself, up to rounding."""
    assert _ink(plot(bench_result(model_result(accuracy=_accuracy(share * total, total))))) > 0.005


def test_few_samples_are_drawn_at_their_middle() -> None:
    """Too few samples for an interval still give a plot."""
    assert _ink(accuracy_against_latency(bench_result(model_result(steady_ns=(5_000, 6_000, 7_000))))) > 0.005


def test_more_models_than_colours_and_markers_are_drawn() -> None:
    """Both begin again after ten."""
    models = [
        model_result(name=f"m{number}", recipe=f"r{number}", file_bytes=1_000 * (number + 1), payload_bytes=500)
        for number in range(12)
    ]
    assert _ink(accuracy_against_size(bench_result(*models))) > 0.01


def _drawn(monkeypatch: pytest.MonkeyPatch, *models: ModelResult) -> Axes:
    """What the plot of sizes is drawn on."""
    figures: list[Figure] = []
    monkeypatch.setattr(plots, "png", lambda figure: figures.append(figure) or b"")
    accuracy_against_size(bench_result(*models))
    (axes,) = figures[0].axes
    return axes


def _legend(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_several_ways_are_distinguishable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ways have colours, models have markers. A single way is not named."""
    ours, theirs = model_result(), model_result(way="tf.lite", file_bytes=60_000)
    assert _legend(_drawn(monkeypatch, ours, theirs)) == ["Classifier.classify", "tf.lite", "cnn int8"]
    assert _legend(_drawn(monkeypatch, ours)) == ["cnn", "int8"]


def test_the_front_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A more accurate model of another way is not on it."""
    ours, theirs = model_result(), model_result(way="tf.lite", file_bytes=60_000, accuracy=_accuracy(9_999, 10_000))
    fronts = [line.get_xydata().tolist() for line in _drawn(monkeypatch, ours, theirs).lines if line.get_linestyle() == ":"]
    assert fronts == [[[49.449, 99.36]]]


def test_sizes_of_another_file_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras does not load the .tflite, so it has neither a point among the sizes nor a name in the legend."""
    assert _legend(_drawn(monkeypatch, model_result(), model_result(way="Keras call"))) == ["cnn", "int8"]
