"""Plots of the page about results files, as PNG."""

from collections.abc import Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.plots import accuracy_against_latency, accuracy_against_size, hold_all, png
from benchmarks.reporting.warnings import disturbed_processes
from benchmarks.results.results import BenchResult, ColdStart, ModelResult
from benchmarks.stats.intervals import median_ns, process_medians, tail_interval, tail_ns

__all__ = ["accuracy_against_latency", "accuracy_against_size", "cold_starts", "processes", "tails"]

_PARTS = {"process": "process_ns", "imports": "imports_ns", "load": "load_ns", "first answer": "first_ns"}


def tails(result: BenchResult, among: Sequence[BenchResult] = ()) -> bytes:
    """Median, p90 and p99 of each model on a line, with the interval of p99; percentiles of too few samples are left out.

    The axis holds all results of `among` too.
    """
    figure, axes = _rows([model.label for model in result.models])
    named: set[str] = set()
    for number, model in enumerate(result.models):
        times = [median_ns(model.median_turns), tail_ns(model, 90), tail_ns(model, 99)]
        known = [time / 1_000 for time in times if time is not None]
        axes.plot(known, [number] * len(known), color="gray", linewidth=1)
        for time, marker, name in zip(times, "o|d", ("p50", "p90", "p99"), strict=True):
            if time is not None:
                axes.plot(time / 1_000, number, marker, color="C0", markersize=7, label=None if name in named else name)
                named.add(name)
        if interval := tail_interval(model, 99):
            axes.plot([end / 1_000 for end in interval], [number] * 2, color="C0", alpha=0.3, linewidth=5, solid_capstyle="butt")
    axes.set_xscale("log")
    hold_all(axes, [(time / 1_000, 0) for other in among for model in other.models for time in _times(model)])
    axes.set_xlabel("latency of one image in us (logarithmic)")
    if named:
        axes.legend(fontsize=8, loc="best")  # named, or a slow machine gets a warning
    return png(figure)


def _times(model: ModelResult) -> list[int]:
    """What `tails` draws of a model."""
    times = [median_ns(model.median_turns), tail_ns(model, 90), tail_ns(model, 99), *(tail_interval(model, 99) or ())]
    return [time for time in times if time is not None]


def processes(result: BenchResult, among: Sequence[BenchResult] = ()) -> bytes:
    """Each process's deviation from the median process, by model; disturbed processes are crosses. The axis is as above."""
    figure, axes = _rows([model.label for model in result.models])
    disturbed = disturbed_processes(result)
    for number, model in enumerate(result.models):
        for process, deviation in _deviations(model).items():
            marker, colour = ("x", "C3") if process in disturbed else ("o", "C0")
            axes.plot(deviation, number, marker, color=colour, markersize=5, alpha=0.7)
    hold_all(axes, [(value, 0) for other in among for model in other.models for value in _deviations(model).values()])
    axes.set_xlabel("deviation from the median process in %")
    return png(figure)


def _deviations(model: ModelResult) -> dict[int, float]:
    """The deviation of each process's median from that of all, in percent."""
    medians = process_medians(model.median_turns)
    middle = median(medians.values())
    return {process: 100 * (value / middle - 1) for process, value in medians.items()}


def cold_starts(result: BenchResult, among: Sequence[BenchResult] = ()) -> bytes:
    """From the start of Python to the first answer: bars of the medians of its parts. The axis is as above."""
    started = [model for model in result.models if model.cold]
    figure, axes = _rows([model.label for model in started])
    for number, model in enumerate(started):
        left = 0.0
        for part, (name, field) in enumerate(_PARTS.items()):
            width = _middle(model.cold, field)
            axes.barh(number, width, left=left, color=f"C{part}", label=name if number == 0 else None)
            left += width
    hold_all(axes, [(_whole(model), 0) for other in among for model in other.models if model.cold])
    axes.set_xlabel("ms")
    axes.legend(fontsize=8, loc="best")  # named, or a slow machine gets a warning
    return png(figure)


def _whole(model: ModelResult) -> float:
    """The length of a model's bars together."""
    return sum(_middle(model.cold, field) for field in _PARTS.values())


def _middle(starts: Sequence[ColdStart], field: str) -> float:
    return float(median(getattr(start, field) for start in starts)) / 1e6


def _rows(labels: Sequence[str]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.5, 1.4 + 0.32 * len(labels)), layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
    return figure, axes
