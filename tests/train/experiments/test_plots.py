"""Plots of an experiment: they work for every shape of grid, and show the data."""

import io

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from tests.train.experiments.samples import invent_result, invent_results
from train.experiments import plots
from train.experiments.grid import Grid, key_of
from train.experiments.table import rows

DRAW = (plots.accuracy_by_epochs, plots.accuracy_by_parameters, plots.seed_spread)


def _pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(
    "grid",
    [
        pytest.param(Grid(), marks=pytest.mark.slow),
        Grid(hidden_layers=(0,), seeds=(0,)),
        Grid(hidden_layers=(1,), activations=("relu",), epochs=(1,), seeds=(0,)),
        Grid(
            hidden_layers=(0, 3),
            units=(8, 16),
            epochs=(1, 5),
            optimizers=("adam", "sgd"),
            activations=("relu",),
            seeds=(0, 1),
        ),
    ],
)
def test_every_shape_of_grid_can_be_drawn(draw: object, grid: Grid) -> None:
    """A PNG that is not blank; the same data give the same bytes."""
    table = rows(grid, invent_results(grid, lambda config: 90 + 2.0 * len(config.hidden)))
    png = draw(table)  # type: ignore[operator]
    assert _pixels(png).std() > 5
    assert png == draw(table)  # type: ignore[operator]


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize("percent", [0.0, 10.0, 100.0])
def test_extreme_accuracies_can_be_drawn(draw: object, percent: float) -> None:
    """0 and 100 % have finite positions on the axis."""
    grid = Grid(hidden_layers=(0, 1), activations=("relu",), epochs=(3,), seeds=(0, 1))
    results = {key_of(config): invent_result(config, percent) for config in grid.cells}
    assert _pixels(draw(rows(grid, results))).std() > 5  # type: ignore[operator]


@pytest.mark.parametrize("draw", DRAW)
def test_other_numbers_give_another_picture(draw: object) -> None:
    """A difference of one point is visible."""
    grid = Grid(hidden_layers=(0, 1), activations=("relu",), epochs=(3,))
    results = invent_results(grid, lambda config: 90 + 5.0 * len(config.hidden))
    key = key_of(grid.cells[-1])
    better = {**results, key: invent_result(grid.cells[-1], 96)}
    assert draw(rows(grid, results)) != draw(rows(grid, better))  # type: ignore[operator]


def test_a_single_epoch_is_drawn() -> None:
    """As a point in the colour of its depth, and a stroke from the worst to the best seed."""
    grid = Grid(hidden_layers=(1,), activations=("relu",), epochs=(1,), seeds=(0, 1))
    results = [invent_result(config, percent) for config, percent in zip(grid.cells, (90, 96), strict=True)]
    pixels = _pixels(plots.accuracy_by_epochs(rows(grid, {key_of(result.config): result for result in results})))
    colored = np.ptp(pixels.astype(int), axis=2) > 40  # axes and texts are grey
    plot = colored[60:-90]  # without title and legend
    assert plot.sum() > 100
    assert plot.any(axis=1).sum() > 100  # the stroke is tall


def test_a_curve_is_the_mean_of_the_seeds_and_the_band_goes_from_worst_to_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib gets the values of the histories."""
    drawn: list[tuple[object, ...]] = []
    bands: list[tuple[object, ...]] = []
    plot, fill = Axes.plot, Axes.fill_between
    monkeypatch.setattr(Axes, "plot", lambda axes, *given, **style: (drawn.append(given), plot(axes, *given, **style))[1])
    monkeypatch.setattr(Axes, "fill_between", lambda axes, *given, **style: (bands.append(given), fill(axes, *given, **style))[1])
    grid = Grid(hidden_layers=(1,), activations=("relu",), epochs=(3,), seeds=(0, 1))
    results = [invent_result(config, percent) for config, percent in zip(grid.cells, (90, 96), strict=True)]
    plots.accuracy_by_epochs(rows(grid, {key_of(result.config): result for result in results}))
    curves = np.array([[100 * epoch.val_accuracy for epoch in result.history] for result in results])
    assert np.allclose(drawn[0][1], curves.mean(axis=0))  # type: ignore[arg-type]
    assert np.allclose([bands[0][1], bands[0][2]], [curves[0], curves[1]])  # type: ignore[arg-type]
