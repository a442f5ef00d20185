"""The command `digits search`.

A composition root: it may import any package. Nobody imports it but workers, which find the functions of `TOOLS` here by their names.
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
@click.option("--name", help="Of the study, a folder in --searches; by default that of the space. If it is there, it goes on.")
@click.option(
    "--space", type=click.Choice(list(SPACES)), help="cnn: convolutions, plain or depthwise (default); mlp: hidden layers."
)
@click.option("--trials", type=int, help=f"How many the study shall have in all. Default: {DEFAULT_TRIALS}.")
@click.option(
    "--epochs", type=int, help=f"Of each trial; default: {DEFAULT_TRIAL_EPOCHS}. With --train, of that training: {FULL_EPOCHS}."
)
@click.option(
    "--max-bytes",
    type=int,
    help=f"Most bytes of int8 payload of a network, as convert --fold-columns 1 makes it. Default: {DEFAULT_MAX_BYTES:,}.",
)
@click.option("--seed", type=int, help="Of the proposals and of all trainings. Default: 0. With --train, of that training.")
@data_option
@click.option("--scheduler", metavar="ADDRESS", help="A dask scheduler, such as tcp://host:8786; else workers are started here.")
@click.option("--workers", type=int, help="How many to start here. Default: one for each core.")
@click.option(
    "--searches", type=click.Path(path_type=Path), default=DEFAULT_SEARCHES, show_default=True, help="Folder of all studies."
)
@click.option("--train", "point", metavar="POINT", help="Instead of searching, train a point of the study's front, such as t17.")
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

    Optuna proposes networks; workers train each for a few epochs, convert it to int8 and measure it. Test images are not looked at.
    Writes report.md, trials.csv, pareto.png and points/POINT.toml into searches/NAME. A study that was stopped, however that was, goes on
    with the same command.
    """
    folder = searches / check_name(name if name is not None else space or "cnn")
    if point is not None:
        _refuse_for_training(space=space, trials=trials, max_bytes=max_bytes, scheduler=scheduler, workers=workers)
        _train(folder, point, epochs, seed, data_path, runs, force)
        return
    if force:
        raise BadArgument("--force is for --train; a search replaces nothing, it goes on")
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
        raise BadArgument("give --workers or --scheduler, not both: the workers of a scheduler are started apart")
    check_options(*chosen)
    refuse_to_overwrite(folder / "report.md", force=True)
    data = load_dataset(data_path)
    plan = make_plan(*chosen, data)

    # Optuna, dask and matplotlib take a second to load, so after all that can be wrong without them.
    from train.search.report import HEADER, front_rows
    from train.search.run import Workers, search

    try:
        report = search(folder, plan, data, trials, TOOLS, Workers(scheduler, workers), lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo("digits: stopped; the same command goes on from there", err=True)
        click.get_current_context().exit(INTERRUPTED)
    if report is None:
        raise DigitsError(f"no trial has succeeded; {folder / 'trials.csv'} says why")
    best = report.best.name
    click.echo(text_table(HEADER, front_rows(report.front)))
    click.echo(f"written: {folder}{os.sep}")
    click.echo(f"next:    {training_command(folder, best)}")
    click.echo(f"or:      digits train --config {point_file(folder, best)}")


def _train(folder: Path, point: str, epochs: int | None, seed: int | None, data_path: Path | None, runs: Path, force: bool) -> None:
    settings = read_settings(folder)
    if settings is None:
        raise BadArgument(f"{folder} is no study; begin it with: digits search --name {folder.name}")
    config = read_point(folder, point, FULL_EPOCHS if epochs is None else epochs, seed)
    run = runs / check_name(f"{folder.name}-{point}")
    resume = not force and is_stopped(run)
    refuse_taken_run(run, force or resume)
    data = load_dataset(data_path)
    if data.sha256 != settings.plan.data_sha256:
        raise BadArgument(f"{folder} searched on {settings.plan.data_source}, this is {data.source}; give that one with --data")

    from train.loop.trainer import train_run  # loads TensorFlow

    record = train_run(config, data, run, force=force, resume=resume)
    print_run(record, run, "the same command")


def int8_flatbuffer(model: Any, images: NDArray[np.uint8]) -> bytes:
    """A Keras model as an int8 TFLite FlatBuffer, calibrated on uint8 [N, 28, 28]."""
    from convert.quantization.recipes import find_recipe
    from convert.source.tf_converter import to_flatbuffer

    return to_flatbuffer(model, find_recipe("int8"), images)


def litert_latency(flatbuffer: bytes, images: NDArray[np.uint8]) -> Latency:
    """Time one image after the other, uint8 [N, 28, 28], on one thread of LiteRT: medians of several batches of calls."""
    import psutil

    from benchmarks.runner.in_process import measure
    from edge_runtime.inference.classifier import Classifier
    from edge_runtime.model.model_file import parse_model_file

    busy = psutil.cpu_percent(0.3)  # also lets the last batches settle that trainings have prepared
    classifier = Classifier(parse_model_file(flatbuffer, "trial"), threads=1, backend="litert", trusted=True)
    batches = (measure([classifier], images, _CALLS)[0] for _ in range(_BATCHES))
    return Latency(tuple(int(np.median(batch)) for batch in batches), busy)


def machine_kind() -> MachineKind:
    """This machine's kind.

    Raises:
        MissingPackage: LiteRT is not installed on it.
    """
    from benchmarks.system.info import cpu_name
    from edge_runtime.inference.interpreter import backend_version, find_backend

    backend = find_backend("litert")
    return MachineKind(platform.machine(), cpu_name(), f"{backend.package} {backend_version(backend)}")


TOOLS = Tools(int8_flatbuffer, litert_latency, machine_kind)
