"""Plots of accuracy against latency and against size, as PNG."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.results.results import OURS, BenchResult, ModelResult
from benchmarks.stats.intervals import per_call
from benchmarks.stats.pareto import pareto_front
from edge_runtime.common.atomic_files import write_file
from edge_runtime.model.recipe_names import short_recipe

_MARKERS = "osD^vPX*<>"


def accuracy_against_latency(result: BenchResult, among: Sequence[BenchResult] = ()) -> bytes:
    """Test accuracy against the median batch-1 latency, on axes that hold all results of `among` too."""

    def latency(model: ModelResult) -> float:
        return float(np.median(per_call(model.median_turns))) / 1_000

    return _scatter(result, among, latency, f"median latency of one image in us, {result.machine.board}")


def accuracy_against_size(result: BenchResult, among: Sequence[BenchResult] = ()) -> bytes:
    """Test accuracy against the size of the .tflite file, on axes as above; without ways that run another file."""
    return _scatter(result, among, lambda model: model.file_bytes / 1_000 if model.loads_file else None, "file size in KB")


def write_plots(result: BenchResult, latency: Path, size: Path, force: bool) -> list[Path]:
    """Write both plots; without accuracies there are none, and those of an earlier run are deleted. Returns the files written."""
    if all(model.accuracy is None for model in result.models):
        for plot in (latency, size):
            plot.unlink(missing_ok=True)
        return []
    write_file(latency, accuracy_against_latency(result), force)
    write_file(size, accuracy_against_size(result), force)
    return [latency, size]


def _scatter(
    result: BenchResult, among: Sequence[BenchResult], position: Callable[[ModelResult], float | None], name: str
) -> bytes:
    """A point with a 95 % interval for each model. Colour: its name, or its way if there are several. Marker: the rest.

    The dotted line is the Pareto front of our classifier's models.
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
    hold_all(axes, [end for other in among for model in other.models for end in _corners(model, position)])
    places = [place for _, place, *_ in points]
    wide = max(places) > 1_000 * min(places) if places else False  # more tick labels would overlap
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"{name} (logarithmic)")
    axes.set_ylabel(f"accuracy on {result.split or 'no'} images in %")
    axes.grid(alpha=0.3, which="both")
    if several:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        axes.legend(fontsize=8, loc="best")  # named, or a slow machine gets a warning
    _draw_front(axes, [(place, percent) for model, place, percent, _ in points if percent is not None and model.way == OURS])
    return png(figure)


def hold_all(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Extend the limits of the axes to points that are not drawn, so that plots of several results can be compared by eye."""
    if points:
        axes.plot(*zip(*points, strict=True), linestyle="none", marker="none")


def _corners(model: ModelResult, position: Callable[[ModelResult], float | None]) -> list[tuple[float, float]]:
    place = position(model)
    if place is None or model.accuracy is None:
        return []
    return [(place, percent) for percent in model.accuracy.interval]


def _point(model: ModelResult, place: float) -> tuple[float, float | None, list[list[float]]]:
    """Its coordinates, and the lengths of its interval below and above."""
    if model.accuracy is None:
        return place, None, []
    percent, (low, high) = model.accuracy.percent, model.accuracy.interval
    return place, percent, [[percent - low], [high - percent]]


def _colour_text(model: ModelResult, several: bool) -> str:
    return model.way if several else model.name


def _marker_text(model: ModelResult, several: bool) -> str:
    return f"{model.name} {short_recipe(model.recipe)}" if several else short_recipe(model.recipe)


def _colour(number: int) -> Any:
    """Ten colours, then lighter ones of the same hues."""
    return colormaps["tab20"]((2 * (number - 10) + 1) % 20) if number >= 10 else f"C{number}"


def _draw_front(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """A line along the Pareto front of (cost, accuracy)."""
    front = sorted(points[number] for number in pareto_front([(place, -percent) for place, percent in points]))
    if front:
        axes.plot(*zip(*front, strict=True), color="gray", linewidth=1, linestyle=":", drawstyle="steps-post", zorder=0)


def png(figure: Figure) -> bytes:
    """A figure as PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()
