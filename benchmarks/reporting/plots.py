"""Accuracy against latency and against size, as the bytes of PNG files."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.results.results import OURS, BenchResult, ModelResult
from benchmarks.stats.intervals import per_call

_MARKERS = "osD^vPX*<>"


def accuracy_against_latency(result: BenchResult) -> bytes:
    """Test accuracy against the median of the steady batch-1 latency."""

    def latency(model: ModelResult) -> float:
        return float(np.median(per_call(model.median_turns))) / 1_000

    return _scatter(result, latency, f"median latency of one image in us, {result.machine.board}")


def accuracy_against_size(result: BenchResult) -> bytes:
    """Test accuracy against the size of the file that is copied to a device; ways that load another file have no place in it."""
    return _scatter(result, lambda model: model.file_bytes / 1_000 if model.loads_file else None, "file size in KB")


def _scatter(result: BenchResult, position: Callable[[ModelResult], float | None], name: str) -> bytes:
    """A point for each model with its 95 % interval: colour for the model, or for the way where there are several, and marker for the rest.

    The front is that of our own classifier.
    """
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    points = [(model, *_point(model, place)) for model in result.models if (place := position(model)) is not None]
    placed = [model for model, *_ in points]
    several = len({model.way for model in placed}) > 1
    colours = list(dict.fromkeys(_colour_text(model, several) for model in placed))
    markers = list(dict.fromkeys(_marker_text(model, several) for model in placed))
    for model, place, percent, interval in points:
        if percent is not None:
            axes.errorbar(
                place,
                percent,
                yerr=interval,
                color=_colour(colours.index(_colour_text(model, several))),
                marker=_MARKERS[markers.index(_marker_text(model, several)) % len(_MARKERS)],
                markersize=7,
                capsize=3,
                alpha=0.85,
                linestyle="none",
            )
    for number, text in enumerate(colours):
        axes.plot([], [], color=_colour(number), linewidth=6, label=text)
    for number, text in enumerate(markers):
        axes.plot([], [], color="gray", linestyle="none", marker=_MARKERS[number % len(_MARKERS)], label=text)
    axes.set_xscale("log")
    places = [place for _, place, *_ in points]
    wide = max(places) > 1_000 * min(places) if places else False  # more names would lie over each other
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{name} (logarithmic)")
    axes.set_ylabel(f"accuracy on {result.split or 'no'} images in %")
    axes.grid(alpha=0.3, which="both")
    if several:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        axes.legend(fontsize=8)
    _draw_front(axes, [(place, percent) for model, place, percent, _ in points if percent is not None and model.way == OURS])
    return png(figure)


def _point(model: ModelResult, place: float) -> tuple[float, float | None, list[list[float]]]:
    """Where it is drawn, and how far its interval reaches down and up."""
    if model.accuracy is None:
        return place, None, []
    percent, (low, high) = model.accuracy.percent, model.accuracy.interval
    return place, percent, [[percent - low], [high - percent]]


def _colour_text(model: ModelResult, several: bool) -> str:
    return model.way if several else model.name


def _marker_text(model: ModelResult, several: bool) -> str:
    return f"{model.name} {model.recipe}" if several else model.recipe


def _colour(number: int) -> Any:
    """Ten colours, then their light sisters."""
    return colormaps["tab20"]((2 * (number - 10) + 1) % 20) if number >= 10 else f"C{number}"


def _draw_front(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """A line along the Pareto front: no model is both to its left and above it."""
    front: list[tuple[float, float]] = []
    for place, percent in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or percent > front[-1][1]:
            front.append((place, percent))
    if front:
        axes.plot(*zip(*front, strict=True), color="gray", linewidth=1, linestyle=":", drawstyle="steps-post", zorder=0)


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()
