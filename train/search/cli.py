"""The command `digits search`.

A composition root: it may import any package, and is imported by none but workers, for the functions of `Tools`.
"""

import os
import platform
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.atomic_files import check_name, refuse_to_overwrite
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import BadArgument, DigitsError
from train.cli_options import data_option
from train.data import load_dataset
from train.interrupt import INTERRUPTED
from train.runs.store import is_stopped, refuse_taken_run
from train.runs.summary import print_run
from train.search.points import DEFAULT_SEARCHES, point_file, read_point, training_command
from train.search.settings import check_options, make_plan, read_settings
from train.search.space import SPACES
from train.search.trial import Latency, MachineKind, Tools

DEFAULT_TRIALS, DEFAULT_TRIAL_EPOCHS, DEFAULT_MAX_BYTES = 40, 3, 40_000
FULL_EPOCHS = 20  # of --train
_BATCHES, _CALLS = 7, 100  # of a latency


@click.command(
    "search", epilog="Example: digits search --name small --max-bytes 30000, then digits search --name small --train t17"
)
@click.option(
    "--name", help="Name of the study, a folder in --searches. An existing study is continued. Default: that of the space."
)
@click.option(
    "--space", type=click.Choice(list(SPACES)), help="cnn: convolutions, plain or depthwise (default); mlp: hidden layers."
)
@click.option("--trials", type=int, help=f"Total number of trials of the study. Default: {DEFAULT_TRIALS}.")
@click.option("--epochs", type=int, help=f"Epochs per trial. Default: {DEFAULT_TRIAL_EPOCHS}; with --train {FULL_EPOCHS}.")
@click.option(
    "--max-bytes",
    type=int,
    help=f"Largest int8 payload of a network in bytes, with convert --fold-columns 1. Default: {DEFAULT_MAX_BYTES:,}.",
)
@click.option("--seed", type=int, help="Seed of proposals and trainings. Default: 0.")
@data_option
@click.option("--scheduler", metavar="ADDRESS", help="Run trials on the workers of this dask scheduler, such as tcp://host:8786.")
@click.option("--workers", type=int, help="Worker processes on this machine, without --scheduler. Default: one per core.")
@click.option(
    "--searches", type=click.Path(path_type=Path), default=DEFAULT_SEARCHES, show_default=True, help="Folder of all studies."
)
@click.option(
    "--train", "point", metavar="POINT", help="Train a point of the study's Pareto front, such as t17, instead of searching."
)
@click.option("--runs", type=click.Path(path_type=Path), default="runs", show_default=True, help="Folder of runs, for --train.")
@click.option("--force", is_flag=True, help="With --train, replace a run of that name.")
def search_command(
    name: str | None,
    space: str | None,
    trials: int | None,
    epochs: int | None,
    max_bytes: int | None,
    seed: int | None,
    data_path: Path | None,
    scheduler: str | None,
    workers: int | None,
    searches: Path,
    point: str | None,
    runs: Path,
    force: bool,
) -> None:
    """Search architectures by validation accuracy, int8 bytes and measured latency.

    Optuna proposes networks; workers train each for a few epochs, convert it to int8 and measure it. Test images are not used.
    Writes report.md, trials.csv, pareto.png and points/POINT.toml into searches/NAME. Repeat a command that was stopped or killed to
    continue it.
    """
    folder = searches / check_name(name if name is not None else space or "cnn")
    if point is not None:
        _refuse_for_training(space=space, trials=trials, max_bytes=max_bytes, scheduler=scheduler, workers=workers)
        _train(folder, point, epochs, seed, data_path, runs, force)
        return
    if force:
        raise BadArgument("--force is for --train; a search continues an existing study, give another --name for a new one")
    chosen = (
        space or "cnn",
        DEFAULT_MAX_BYTES if max_bytes is None else max_bytes,
        DEFAULT_TRIAL_EPOCHS if epochs is None else epochs,
        seed or 0,
    )
    _search(folder, chosen, DEFAULT_TRIALS if trials is None else trials, data_path, scheduler, workers)


def _refuse_for_training(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise BadArgument(
                f"--{name.replace('_', '-')} is for a search; --train takes --epochs, --seed, --data, --runs and --force"
            )


def _search(
    folder: Path,
    chosen: tuple[str, int, int, int],
    trials: int,
    data_path: Path | None,
    scheduler: str | None,
    workers: int | None,
) -> None:
    if trials < 1:
        raise BadArgument(f"--trials is {trials}, expected 1 or more")
    if workers is not None and not 1 <= workers <= 256:
        raise BadArgument(f"--workers is {workers}, expected 1 to 256")
    if workers and scheduler:
        raise BadArgument("--workers is for this machine; with --scheduler, start workers with: dask worker")
    check_options(*chosen)
    refuse_to_overwrite(folder / "report.md", force=True)
    data = load_dataset(data_path)
    plan = make_plan(*chosen, data)

    # Optuna, dask and matplotlib take a second to load, so after all checks that do not need them.
    from convert.int8 import int8_flatbuffer
    from train.search.report import HEADER, front_rows
    from train.search.run import Workers, search

    tools = Tools(int8_flatbuffer, litert_latency, machine_kind)
    try:
        report = search(folder, plan, data, trials, tools, Workers(scheduler, workers), lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo("digits: stopped; repeat the command to continue", err=True)
        click.get_current_context().exit(INTERRUPTED)
    if report is None:
        raise DigitsError(f"no trial has succeeded; see the errors in {folder / 'trials.csv'}")
    best = report.best.name
    click.echo(text_table(HEADER, front_rows(report.front)))
    click.echo(f"written: {folder}{os.sep}")
    click.echo(f"next:    {training_command(folder, best)}")
    click.echo(f"or:      digits train --config {point_file(folder, best)}")


def _train(folder: Path, point: str, epochs: int | None, seed: int | None, data_path: Path | None, runs: Path, force: bool) -> None:
    settings = read_settings(folder)
    if settings is None:
        raise BadArgument(f"{folder} is not a study; start it with: digits search --name {folder.name}")
    config = read_point(folder, point, FULL_EPOCHS if epochs is None else epochs, seed)
    run = runs / check_name(f"{folder.name}-{point}")
    resume = not force and is_stopped(run)
    refuse_taken_run(run, force or resume)
    data = load_dataset(data_path)
    if data.sha256 != settings.plan.data_sha256:
        raise BadArgument(
            f"{folder} was searched with {settings.plan.data_source}, this is {data.source}; give the same data with --data"
        )

    from train.loop.trainer import train_run  # loads TensorFlow

    record = train_run(config, data, run, force=force, resume=resume)
    print_run(record, run, data_path, "repeating the command")


def litert_latency(flatbuffer: bytes, images: NDArray[np.uint8]) -> Latency:
    """Measure the latency of single images, uint8 [N, 28, 28], on one thread of LiteRT: medians of several batches of calls."""
    import psutil

    from benchmarks.runner.in_process import measure
    from edge_runtime.inference.classifier import Classifier
    from edge_runtime.model.model_file import parse_model_file

    busy = psutil.cpu_percent(0.3)  # also lets batches finish that trainings have prefetched
    classifier = Classifier(parse_model_file(flatbuffer, "trial"), threads=1, backend="litert", in_process=True)
    batches = (measure([classifier], images, _CALLS)[0] for _ in range(_BATCHES))
    return Latency(tuple(int(np.median(batch)) for batch in batches), busy)


def machine_kind() -> MachineKind:
    """The kind of this machine.

    Raises:
        MissingPackage: LiteRT is not installed.
    """
    from benchmarks.system.info import cpu_name
    from edge_runtime.inference.interpreter import backend_version, find_backend

    backend = find_backend("litert")
    return MachineKind(platform.machine(), cpu_name(), f"{backend.package} {backend_version(backend)}")
