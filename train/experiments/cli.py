"""The command `digits experiment`.

A composition root: it may import any package, and nobody imports it.
"""

import os
from pathlib import Path
from typing import Any

import click

from edge_runtime.common.atomic_files import check_name
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import BadArgument, DigitsError
from train.cli_options import data_option
from train.config.training_config import ACTIVATIONS, OPTIMIZERS
from train.data import load_dataset
from train.experiments.grid import Grid, parse_list, read_grid
from train.interrupt import INTERRUPTED
from train.runs.versions import installed_versions

_LISTS = ("hidden_layers", "units", "activations", "epochs", "optimizers", "seeds")


def _default(name: str) -> str:
    return ",".join(map(str, getattr(Grid(), name)))


@click.command(
    "experiment", epilog="Example: digits experiment --hidden-layers 1,2 --units 32,128 --activations relu --seeds 5 --name width"
)
@click.option("--grid", "grid_file", type=click.Path(path_type=Path), help="TOML file with the lists below; options override it.")
@click.option("--hidden-layers", metavar="LIST", help=f"Numbers of hidden layers. Default: {_default('hidden_layers')}.")
@click.option("--units", metavar="LIST", help=f"Units of every hidden layer. Default: {_default('units')}.")
@click.option("--activations", metavar="LIST", help=f"Activations: {', '.join(ACTIVATIONS)}. Default: {_default('activations')}.")
@click.option("--epochs", metavar="LIST", help=f"Epochs of training. Default: {_default('epochs')}.")
@click.option("--optimizers", metavar="LIST", help=f"Optimisers: {', '.join(OPTIMIZERS)}. Default: {_default('optimizers')}.")
@click.option("--seeds", metavar="COUNT|LIST", help=f"Number of seeds, or a list of them. Default: {_default('seeds')}.")
@click.option("--batch-size", type=int, help=f"Images per training step. Default: {Grid().batch_size}.")
@click.option("--learning-rate", type=float, help=f"Constant learning rate. Default: {Grid().learning_rate}.")
@data_option
@click.option("--name", help="Name of the experiment. Default: that of the grid file, or 'default'.")
@click.option(
    "--experiments", type=click.Path(path_type=Path), default="experiments", show_default=True, help="Folder of all experiments."
)
@click.option("--scheduler", metavar="ADDRESS", help="Train on the workers of this dask scheduler, such as tcp://host:8786.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Worker processes on this machine, without --scheduler. Default: one per core."
)
def experiment_command(
    grid_file: Path | None,
    data_path: Path | None,
    name: str | None,
    experiments: Path,
    scheduler: str | None,
    workers: int | None,
    **settings: Any,
) -> None:
    """Train every combination of layers, units, activations, epochs, optimisers and seeds, and test claims about them.

    Writes experiments/NAME/{table.csv, report.md, *.png}. All accuracies are on validation images. Repeat a command that was stopped or
    killed to continue it; finished cells are not trained again.
    """
    given = {key: parse_list(key, value) if key in _LISTS else value for key, value in settings.items() if value is not None}
    grid = read_grid(grid_file, given)
    folder = experiments / check_name((grid_file.stem if grid_file else "default") if name is None else name)
    if scheduler and workers:
        raise BadArgument("--workers is for this machine; with --scheduler, start workers with: dask worker")
    data = load_dataset(data_path)

    from convert.int8 import int8_flatbuffer
    from train.experiments.run import run_grid, write_outputs
    from train.experiments.store import ExperimentSpec, open_store
    from train.experiments.table import training_command

    spec = ExperimentSpec(grid, Path(data.source).name, data.sha256, installed_versions())
    with open_store(folder, spec) as store:
        for key, cause in store.read()[1].items():
            click.echo(f"digits: cell {key} {cause}; training it again", err=True)
        try:
            finished, failures = run_grid(store, data.sha256 if data_path is None else data, int8_flatbuffer, scheduler, workers)
        except KeyboardInterrupt:
            done = len(store.read()[0])
            click.echo(f"digits: stopped with {done} of {len(grid.cells)} cells finished; repeat the command to continue", err=True)
            click.get_current_context().exit(INTERRUPTED)
        table, findings = write_outputs(store, finished, failures)
    _print_results(table, findings, folder)
    if command := training_command(table, grid, data_path):
        click.echo(f"next:    {command}")
    if failures:
        raise DigitsError(
            f"{len(failures)} of {len(grid.cells)} cells failed: {', '.join(failures)}; repeat the command to try them again"
        )


def _print_results(table: Any, findings: Any, folder: Path) -> None:
    from train.experiments.table import HEADER, as_cells, finding_lines

    click.echo(text_table(HEADER, [as_cells(row) for row in table]))
    for finding in findings:
        click.echo("\n" + "\n".join(finding_lines(finding)))
    click.echo(f"\nwritten: {folder}{os.sep}")
