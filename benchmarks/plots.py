"""Accuracy against latency and against size, as the bytes of PNG files."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.figures import per_call
from benchmarks.results import BenchResult, ModelResult

_MARKERS = "osD^vPX*<>"


def accuracy_against_latency(result: BenchResult) -> bytes:
    """Test accuracy against the median of the steady batch-1 latency."""

    def latency(model: ModelResult) -> float:
        return float(np.median(per_call(model.median_turns))) / 1_000

    return _scatter(result, latency, f"median latency of one image in us, {result.machine.board}")


def accuracy_against_size(result: BenchResult) -> bytes:
    """Test accuracy against the size of the file that is copied to a device."""
    return _scatter(result, lambda model: model.file_bytes / 1_000, "file size in KB")


def _scatter(result: BenchResult, position: Callable[[ModelResult], float], name: str) -> bytes:
    """A point for each model with its 95 % interval: colour for the model, marker for the recipe."""
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys(model.name for model in result.models))
    recipes = list(dict.fromkeys(model.recipe for model in result.models))
    for model in result.models:
        if model.accuracy is None:
            continue
        low, high = model.accuracy.interval
        axes.errorbar(
            position(model),
            model.accuracy.percent,
            yerr=[[model.accuracy.percent - low], [high - model.accuracy.percent]],
            color=f"C{names.index(model.name) % 10}",
            marker=_MARKERS[recipes.index(model.recipe) % len(_MARKERS)],
            markersize=7,
            capsize=3,
            alpha=0.85,
            linestyle="none",
        )
    for number, text in enumerate(names):
        axes.plot([], [], color=f"C{number % 10}", linewidth=6, label=text)
    for number, text in enumerate(recipes):
        axes.plot([], [], color="gray", linestyle="none", marker=_MARKERS[number % len(_MARKERS)], label=text)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{name} (logarithmic)")
    axes.set_ylabel(f"accuracy on {result.split or 'no'} images in %")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    _draw_front(axes, [(position(model), model.accuracy.percent) for model in result.models if model.accuracy])
    return png(figure)


def _draw_front(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """A line along the Pareto front: no model is both to its left and above it."""
    front: list[tuple[float, float]] = []
    for place, percent in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or percent > front[-1][1]:
            front.append((place, percent))
    axes.plot(*zip(*front, strict=True), color="gray", linewidth=1, linestyle=":", drawstyle="steps-post", zorder=0)


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()
