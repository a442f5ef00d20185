"""Plots of an experiment, as PNG. Accuracy axes are logarithmic in the error rate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from train.experiments.grid import Setting
from train.experiments.table import Row
from train.runs.plots import png

MAX_PANELS = 16
MAX_ROWS = 80
_TICKS = (0, 20, 40, 50, 60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 97.5, 98, 98.5, 99, 99.3, 99.5, 99.7, 99.9)
_MIN_ERRORS = 0.02  # percent: the end of an accuracy axis, since a logarithmic axis has no zero
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8c6d00", "#444444")
_MARKERS = "osD^vPX*"


def accuracy_by_epochs(table: Sequence[Row]) -> bytes:
    """Validation accuracy by epoch: a panel per activation, a line per depth, a band from the worst to the best seed."""
    panels = dict(list(_families(table).items())[:MAX_PANELS])
    columns = min(len(panels), 2 if len(panels) <= 4 else 4)
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns + 0.6, 3.5 * lines + 0.6), layout="constrained")
    grid = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    depths = sorted({row.setting.hidden_layers for row in table})
    colors = dict(zip(depths, mpl.colormaps["viridis"](np.linspace(0, 0.88, len(depths))), strict=True))
    for axes, (title, rows) in zip(grid, panels.items(), strict=False):
        for row in rows:
            _curve(axes, row, colors[row.setting.hidden_layers])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    # Without the first epochs, so that a network that starts slowly does not compress all others.
    seen = [value for row in table for curve in _curves(row) for value in curve[1:] or curve]
    _accuracy_axis(grid[0].yaxis, float(np.percentile(seen, 4)), max(seen))
    for axes in grid[::columns]:
        axes.set_ylabel("validation accuracy in %")
    lines_of = {label: line for axes in grid for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    shown = sorted(lines_of, key=int)
    figure.legend(
        [lines_of[label] for label in shown], shown, loc="outside lower center", ncols=10, title="hidden layers", fontsize=9
    )
    figure.suptitle("Accuracy against epochs: mean of the seeds, band from the worst to the best of them", fontsize=11)
    return png(figure)


def accuracy_by_parameters(table: Sequence[Row]) -> bytes:
    """Final validation accuracy by parameters: a line per activation, the number of layers at each point, bars over seeds."""
    figure = Figure(figsize=(8.2, 5), layout="constrained")
    axes = figure.subplots()
    families = _families(table)
    for index, (title, rows) in enumerate(families.items()):
        color, ordered = _COLORS[index % len(_COLORS)], sorted(rows, key=lambda row: row.parameters)
        shift = 1 + 0.012 * (index - (len(families) - 1) / 2)  # so that bars at the same size do not overlap
        x, y = [row.parameters * shift for row in ordered], [row.mean for row in ordered]
        ends = np.array([[row.mean - row.percents[0], row.percents[-1] - row.mean] for row in ordered]).T
        axes.errorbar(
            x,
            y,
            ends,
            color=color,
            marker=_MARKERS[index // len(_COLORS) % len(_MARKERS)],
            markersize=4,
            linewidth=1,
            capsize=3,
            label=title,
        )
    for parameters, rows in _by_parameters(table).items():
        best = max(row.percents[-1] for row in rows)
        layers = "/".join(sorted({str(row.setting.hidden_layers) for row in rows}))
        axes.annotate(layers, (parameters, best), (0, 6), textcoords="offset points", ha="center", fontsize=9, color="#444444")
    every = [percent for row in table for percent in row.percents]
    _accuracy_axis(axes.yaxis, min(every), max(every))
    axes.set_xscale("log")
    sizes = sorted(_by_parameters(table))
    axes.xaxis.set_major_locator(FixedLocator(_spaced_ticks(sizes, np.log, (sizes[0] / 1.2, sizes[-1] * 1.2))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("parameters (numbers beside the points: hidden layers)")
    axes.set_ylabel("validation accuracy in %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    axes.set_title("Accuracy against parameters: mean of the seeds, bars from the worst to the best of them", fontsize=11)
    return png(figure)


def seed_spread(table: Sequence[Row]) -> bytes:
    """Final validation accuracy of every seed: a row per setting, the best mean on top, a stroke at the mean."""
    rows = sorted(table, key=lambda row: (row.mean, str(row.setting)))[-MAX_ROWS:]
    figure = Figure(figsize=(8.2, 0.26 * len(rows) + 1.4), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        axes.plot(row.percents, [place] * len(row.percents), "o", color="#0072b2", alpha=0.6, markersize=5, markeredgewidth=0)
        axes.plot([row.mean], [place], "|", color="#d55e00", markersize=13, markeredgewidth=2)
    axes.set_yticks(range(len(rows)), [str(row.setting) for row in rows], fontsize=8)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    every = [percent for row in rows for percent in row.percents]
    _accuracy_axis(axes.xaxis, min(every), max(every))
    axes.set_xlabel("validation accuracy in % (dots: seeds; strokes: their mean)")
    axes.grid(alpha=0.3)
    axes.set_title("Spread over seeds", fontsize=11)
    return png(figure)


def _curve(axes: Axes, row: Row, color: Any) -> None:
    curves = np.array(_curves(row))
    epochs = np.arange(1, curves.shape[1] + 1)
    style = {"color": color, "linestyle": "-" if row.setting.hidden_layers else "--"}
    worst, best = curves.min(axis=0), curves.max(axis=0)
    if len(epochs) == 1:  # neither a line nor a band has a width
        style["marker"] = "o"
        axes.vlines(epochs, worst, best, color=color, alpha=0.5, linewidth=3)
    axes.plot(epochs, curves.mean(axis=0), linewidth=1.6, label=str(row.setting.hidden_layers), **style)
    axes.fill_between(epochs, worst, best, color=color, alpha=0.18, linewidth=0)
    axes.grid(alpha=0.3)


def _curves(row: Row) -> list[list[float]]:
    """Validation accuracy in percent by epoch, for each seed."""
    return [[100 * epoch.val_accuracy for epoch in result.history] for result in row.results]


def _families(table: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows that differ in depth only, by a title of what they share; networks without hidden layers belong to all groups."""
    found: dict[Setting, list[Row]] = {}
    for row in table:
        if row.setting.hidden_layers:
            found.setdefault(replace(row.setting, hidden_layers=1), []).append(row)
    bare = [row for row in table if not row.setting.hidden_layers]
    if not found:
        return {"no hidden layer": bare}
    return {_title(family, list(found)): [*_same_training(family, bare), *rows] for family, rows in found.items()}


def _same_training(family: Setting, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if (row.setting.epochs, row.setting.optimizer) == (family.epochs, family.optimizer)]


def _title(family: Setting, families: Sequence[Setting]) -> str:
    """The activation, and whatever else differs between families."""
    words = [family.activation]
    for name, text in (("units", f"{family.units} units"), ("epochs", f"{family.epochs} epochs"), ("optimizer", family.optimizer)):
        if len({getattr(other, name) for other in families}) > 1:
            words.append(text)
    return ", ".join(words)


def _by_parameters(table: Sequence[Row]) -> Mapping[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in table:
        found.setdefault(row.parameters, []).append(row)
    return found


def _accuracy_axis(axis: Any, low: float, high: float) -> None:
    """Set an axis to accuracies from `low` to `high` percent, with a margin."""

    def forward(percent: Any) -> Any:
        return -np.log2(np.maximum(100 - np.asarray(percent), _MIN_ERRORS))

    def backward(halvings: Any) -> Any:
        return 100 - 2.0 ** -np.asarray(halvings)

    axis._set_axes_scale("function", functions=(forward, backward))
    begin, end = forward(low), forward(high)
    room = 0.06 * (end - begin) + 0.08
    ends = backward(np.array([begin - room, end + room]))
    axis.axes.set(**{f"{axis.axis_name}lim": ends})
    axis.set_major_locator(FixedLocator(_spaced_ticks(_TICKS, forward, ends)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _spaced_ticks(candidates: Sequence[float], place: Callable[[Any], Any], ends: Any) -> list[float]:
    """Ticks between the ends, ascending, spaced so that their labels do not overlap."""
    spacing = (place(ends[1]) - place(ends[0])) / 14
    chosen: list[float] = []
    for tick in candidates:
        if ends[0] <= tick <= ends[1] and (not chosen or place(tick) - place(chosen[-1]) >= spacing):
            chosen.append(tick)
    return chosen
