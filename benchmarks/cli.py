"""`digits bench`. A composition root: it may import any package, and no library module imports it."""

from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks.reporting.terminal import closing_lines, result_lines
from benchmarks.results.results import BenchResult, write_results
from benchmarks.runner.config import Settings
from benchmarks.runner.progress import command_line, run_with_progress
from benchmarks.system.info import default_board_name
from benchmarks.worker.client import check_pinned
from edge_runtime.cli_options import ModelCommand
from edge_runtime.cli_remote import runs_on_boards
from edge_runtime.common.atomic_files import refuse_to_overwrite
from edge_runtime.errors import DataError
from edge_runtime.model.model_file import find_model
from train.data import Dataset, load_dataset


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Numbers separated by commas, sorted and without duplicates; an empty text for none."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(int(part) for part in value.split(",") if part)
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 1,2,4", param, ctx)
        minimum = 0 if param is not None and param.name == "pin" else 1
        if any(not minimum <= number <= 4_096 for number in found):
            self.fail(f"{value!r}: expected numbers from {minimum} to 4,096", param, ctx)
        return tuple(sorted({*found}))


NUMBERS = _Numbers()


SHIPPED = tuple(map(Path, ("nano", "small", "base", "base-fp32")))
"""The models that every installation has."""


@runs_on_boards(inputs=("models", "data_path", "keras"), outputs=("out",), measures=True)
@click.command("bench", cls=ModelCommand, epilog="Example: digits bench runs/cnn/*.tflite --threads 1 --out results/")
@click.argument("models", nargs=-1, type=click.Path(path_type=Path), metavar="[MODEL.tflite...]")
@click.option(
    "--data",
    "data_path",
    type=click.Path(path_type=Path),
    help="Measure accuracies on this data set: an .npz like Keras' mnist.npz, or a folder of IDX files. Default: the embedded MNIST; "
    "where it is not installed, the manifests' accuracies are stated.",
)
@click.option("--no-accuracy", is_flag=True, help="Measure no accuracy: state the manifests'.")
@click.option("--samples", type=int, default=4_000, show_default=True, help="Timed calls of each model; a p99 needs 1,000.")
@click.option("--starts", type=int, default=8, show_default=True, help="Spread the calls over this many processes.")
@click.option("--batches", type=NUMBERS, default="", metavar="N,N...", help="Also time batches of N images.")
@click.option("--thread-sweep", type=NUMBERS, default="", metavar="N,N...", help="Also time with N threads.")
@click.option("--pin", type=NUMBERS, default="", metavar="CPU,CPU...", help="Run on these processors only (Linux).")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of the interpreter.")
@click.option("--backend", metavar="NAME", help="Interpreter: litert, tflite or tensorflow; default: the first that is installed.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random order in which models take turns.")
@click.option(
    "--against",
    metavar="NAMES",
    default="",
    help="Also time other runtimes: names separated by commas, or all (docs/benchmarking.md).",
)
@click.option("--keras", type=click.Path(path_type=Path), help="Keras model of the first float32 file, for --against keras-call.")
@click.option(
    "--environment", "environments", multiple=True, metavar="NAME=PYTHON", help="Run an --against runtime with this Python."
)
@click.option("--loadgen", is_flag=True, help="Also time our classifier with MLPerf LoadGen.")
@click.option("--layers", is_flag=True, help="Also time each operator, on cut graphs (docs/benchmarking.md).")
@click.option("--sustained", type=int, default=0, metavar="SECONDS", help="At the end, run each model this long without a pause.")
@click.option("--board", help="Name of this board in the results; default: the system's name for it.")
@click.option("--out", type=click.Path(path_type=Path), default="results", show_default=True, help="Folder for results and plots.")
@click.option("--force", is_flag=True, help="Replace existing results of that board.")
def bench_command(
    models: Sequence[Path],
    data_path: Path | None,
    no_accuracy: bool,
    samples: int,
    starts: int,
    batches: tuple[int, ...],
    thread_sweep: tuple[int, ...],
    pin: tuple[int, ...],
    threads: int,
    backend: str | None,
    seed: int,
    against: str,
    keras: Path | None,
    environments: Sequence[str],
    loadgen: bool,
    layers: bool,
    sustained: int,
    board: str | None,
    out: Path,
    force: bool,
) -> None:
    """Measure models on this board: latency of single images and photos, cold start, memory, accuracy and size.

    MODEL is a file or the name of a shipped model: nano, base-fp32... Default: all shipped models. Ends in a line for each model.

    Writes the raw samples to OUT/BOARD.json, and two plots where matplotlib is installed. Models take turns in random order, in several
    processes (docs/benchmarking.md explains why).
    """
    from benchmarks.runner.alternatives import Found, find_cases, parse_against, parse_environments

    names, pythons = parse_against(against), parse_environments(environments)
    settings = Settings(
        board=board or default_board_name(),
        samples=samples,
        threads=threads,
        backend=backend,
        seed=seed,
        starts=starts,
        pinned=pin,
        batches=batches,
        thread_counts=thread_sweep,
        loadgen=loadgen,
        layers=layers,
        sustained=sustained,
        command=command_line(),
    )
    check_pinned(settings.pinned)
    results, latency_plot, size_plot = _target_files(out, settings.board)
    for target in (results, latency_plot, size_plot):
        refuse_to_overwrite(target, force)
    paths = [find_model(model) for model in models or SHIPPED]
    data = None if no_accuracy else _load_data(data_path)
    with TemporaryDirectory() as folder:
        others = Found((), ())
        if names:
            others = find_cases(names, paths, settings.threads, pythons, keras, data, Path(folder))
        result = run_with_progress(paths, settings, data, others.cases, others.absent)
    write_results(results, result, force)
    for line in result_lines(result):
        click.echo(line)
    written = [results, *_draw(result, latency_plot, size_plot, force)]
    click.echo(f"written: {', '.join(str(path) for path in written)}")
    click.echo(f"next:    {_next(results)}")
    for line in closing_lines(result):
        click.echo(line)


def _draw(result: BenchResult, latency: Path, size: Path, force: bool) -> list[Path]:
    """Draw the plots where matplotlib is installed; else delete those of an earlier run. Returns the files written."""
    if not find_spec("matplotlib"):
        for plot in (latency, size):
            plot.unlink(missing_ok=True)
        return []
    from benchmarks.reporting.plots import write_plots

    return write_plots(result, latency, size, force)


def _next(results: Path) -> str:
    """The command for plots and a page; where its packages are missing, as on a board, what to do instead."""
    missing = [name for name in ("matplotlib", "jinja2") if not find_spec(name)]
    if not missing:
        return f"digits report {quote(str(results))}"
    return (
        f"plots and a page need {' and '.join(missing)}; copy {results} to a computer with '.[bench]': "
        f"digits report {quote(results.name)}"
    )


def _target_files(folder: Path, board: str) -> tuple[Path, Path, Path]:
    """Results, latency plot and size plot of a board; hyphens replace what file names should not have."""
    stem = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in board)
    return folder / f"{stem}.json", folder / f"{stem}-latency.png", folder / f"{stem}-size.png"


def _load_data(path: Path | None) -> Dataset | None:
    """The given data set, or the one that is found; None if none is."""
    if path is None:
        with suppress(DataError):
            return load_dataset()
        return None
    try:
        return load_dataset(path)
    except DataError as error:
        raise DataError(f"{error}; or give --no-accuracy") from error
