"""The plot of a search, as PNG."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from train.runs.plots import png
from train.search.study import Trial

_TICKS = (1, 2, 5)


def pareto_plot(trials: Sequence[Trial], front: Sequence[Trial], title: str) -> bytes:
    """Accuracy by bytes, latency as colour; points of the front are circled and named.

    Both axes are logarithmic, that of accuracy in the error rate: 98 to 99 % has the same length as 96 to 98 %.
    """
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    done = [trial.outcome for trial in trials if trial.outcome]
    spots = axes.scatter(
        [outcome.payload_bytes for outcome in done],
        [_error_percent(trial) for trial in trials if trial.outcome],
        c=[outcome.latency.best_ns / 1000 for outcome in done],
        cmap="viridis",
        s=28,
    )
    figure.colorbar(spots, ax=axes, label="latency in µs (batch 1, one thread)")
    _mark(axes, front)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(LogLocator(subs=_TICKS))
    axes.yaxis.set_major_locator(LogLocator(subs=_TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda missing, _: f"{100 - missing:g}"))
    axes.minorticks_off()
    axes.set_xlabel("payload of the int8 file in bytes")
    axes.set_ylabel("validation accuracy in %")
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    return png(figure)


def _mark(axes: Axes, front: Sequence[Trial]) -> None:
    for trial in front:
        assert trial.outcome
        place = (trial.outcome.payload_bytes, _error_percent(trial))
        axes.scatter(*place, s=90, facecolors="none", edgecolors="crimson", label="Pareto front" if trial is front[0] else None)
        axes.annotate(trial.name, place, xytext=(6, 6), textcoords="offset points", fontsize=8)
    if front:
        axes.legend(loc="upper left")  # this corner is always empty: few bytes with few errors


def _error_percent(trial: Trial) -> float:
    """Error rate in percent; half an image if there is no error, since zero has no logarithm."""
    assert trial.outcome
    validation = trial.outcome.validation
    return 100 * max(validation.total - validation.correct, 0.5) / validation.total
