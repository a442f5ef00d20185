"""Commands of measuring: `digits bench`, and `digits pipeline`, which runs the whole chain.

A composition root: it may import any package, and nobody imports it.
"""

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks.pipeline.stages import Stage, run_stage
from benchmarks.reporting.extra_tables import extra_tables
from benchmarks.reporting.tables import HEADER, machine_line, rows
from benchmarks.reporting.warnings import notes
from benchmarks.results.results import BenchResult, read_results
from benchmarks.runner.cases import Case
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run, total_steps
from benchmarks.system.info import cpu_name, default_board_name
from benchmarks.worker.client import check_pinned
from convert.quantization.recipes import RECIPES
from edge_runtime.common.atomic_files import refuse_to_overwrite, write_file
from edge_runtime.common.text_table import text_table
from edge_runtime.errors import DataError, GateFailed
from edge_runtime.model.model_file import ModelFile, find_model, read_model_file
from edge_runtime.version import __version__
from train.cli_options import data_option, max_drop_option
from train.config.training_config import TrainingConfig
from train.data import Dataset, load_dataset


class _Counts(click.ParamType[tuple[int, ...]]):
    """Numbers with commas between them; nothing for none."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(int(part) for part in value.split(",") if part)
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 1,2,4", param, ctx)
        least = 0 if param is not None and param.name == "pin" else 1
        if any(not least <= count <= 4_096 for count in found):
            self.fail(f"{value!r}: expected numbers from {least} to 4,096", param, ctx)
        return tuple(sorted({*found}))


COUNTS = _Counts()
_SAMPLES, _STARTS = 4_000, 8

# Short runs: enough for the figures that the report is about, within minutes on two cores.
_PIPELINE_EPOCHS = {"linear": 4, "mlp": 8, "cnn": 4}
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy")  # with another version of one, what was made is out of date


@click.command("bench", epilog="Example: digits bench runs/cnn/*.tflite --threads 1 --out results/")
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MODEL.tflite...")
@data_option
@click.option("--no-accuracy", is_flag=True, help="Measure times and sizes alone; needs no data.")
@click.option("--samples", type=int, default=_SAMPLES, show_default=True, help="Timed calls of each model; p99 needs 1,000.")
@click.option("--starts", type=int, default=_STARTS, show_default=True, help="Processes that the calls are spread over.")
@click.option("--batches", type=COUNTS, default="", metavar="N,N...", help="Also time batches of so many images.")
@click.option("--thread-sweep", type=COUNTS, default="", metavar="N,N...", help="Also time with so many threads.")
@click.option("--pin", type=COUNTS, default="", metavar="CPU,CPU...", help="Run on these processors alone.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of the interpreter.")
@click.option("--backend", metavar="NAME", help="litert, tflite or tensorflow; the first installed one if not given.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the order in which models take turns.")
@click.option(
    "--against", metavar="NAMES", default="", help="Also measure alternatives: names with commas, or all (docs/benchmarking.md)."
)
@click.option("--keras", type=click.Path(path_type=Path), help="The Keras model of the first float32 file, for --against.")
@click.option(
    "--environment", "environments", multiple=True, metavar="NAME=PYTHON", help="The Python that has an alternative's package."
)
@click.option("--loadgen", is_flag=True, help="Let MLPerf LoadGen ask our classifier too.")
@click.option("--layers", is_flag=True, help="Time operators too, by cutting the graph (docs/benchmarking.md).")
@click.option("--sustained", type=int, default=0, metavar="SECONDS", help="At the end, let each model answer so long without rest.")
@click.option("--board", help="Name of this board in the results; what the system calls it if not given.")
@click.option("--out", type=click.Path(path_type=Path), default="results", show_default=True, help="Folder for results and plots.")
@click.option("--force", is_flag=True, help="Replace results of that board.")
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
    """Measure models on this board: cold start, batch-1 latency, accuracy, memory, bytes.

    Writes OUT/BOARD.json with the raw samples, and two plots beside it. Models take turns in random order, in several processes one after
    the other; docs/benchmarking.md says how and why. MODEL may be a shipped one's name too: nano, base-fp32...
    """
    from benchmarks.reporting.output import target_files, write_bench
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
        command=typed_command(),
    )
    check_pinned(settings.pinned)
    targets = target_files(out, settings.board)
    for target in targets:
        refuse_to_overwrite(target, force)
    paths = [find_model(model) for model in models]
    data = None if no_accuracy else _data_or_advice(data_path)
    with TemporaryDirectory() as place:
        others = find_cases(names, paths, settings.threads, pythons, keras, data, Path(place)) if names else Found((), ())
        result = run_bench(paths, settings, data, others.candidates, others.absent)
    written = write_bench(result, targets, force)
    print_bench(result)
    click.echo(f"written: {', '.join(str(path) for path in written)}")


def typed_command() -> str:
    """The command as it was typed, for the results."""
    return shlex.join(["digits", *sys.argv[1:]])


def _data_or_advice(path: Path | None) -> Dataset:
    try:
        return load_dataset(path)
    except DataError as error:
        raise DataError(f"{error}; or --no-accuracy") from error


def run_bench(
    models: Sequence[Path], settings: Settings, data: Dataset | None, others: Sequence[Case] = (), absent: Sequence[str] = ()
) -> BenchResult:
    """Run a benchmark with its progress on stderr."""
    from tqdm import tqdm

    with tqdm(total=total_steps(len(models) + len(others), settings), disable=None, leave=False, dynamic_ncols=True) as bar:
        return run(models, settings, data, lambda what: _advance(bar, what), others, absent)


def _advance(bar: Any, what: str) -> None:
    bar.set_description(what)
    bar.update()


def print_bench(result: BenchResult) -> None:
    """The table and its warnings."""
    click.echo(machine_line(result))
    click.echo(text_table(HEADER, rows(result)))
    for table in extra_tables(result):
        click.echo(f"\n{table.name}. {table.caption}\n{text_table(table.header, table.rows)}")
    for line in notes(result):
        click.echo(line)


@click.command("pipeline", epilog="Example: digits pipeline --out demo --epochs 2")
@click.option("--out", type=click.Path(path_type=Path), default="demo", show_default=True, help="Folder for everything.")
@data_option
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Of every model; a few of each if not given.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--samples", type=int, default=2_000, show_default=True, help="Timed calls of each file in the benchmark.")
@max_drop_option
@click.option("--force", is_flag=True, help="Redo what is up to date.")
def pipeline_command(
    out: Path, data_path: Path | None, epochs: int | None, seed: int, samples: int, max_drop: float, force: bool
) -> None:
    """Do all of it: data, training of three models, every recipe, gate, benchmark, report.

    What is up to date is not done again. Exits 3 if the gate refused a file; the report is written before that.
    """
    import jinja2  # noqa: F401 - asked for now, rather than after minutes of training

    settings = Settings(default_board_name(), samples, command=typed_command())
    pipeline = _Pipeline(out, load_dataset(data_path), epochs, seed, max_drop, settings)
    stages = pipeline.stages()
    for number, stage in enumerate(stages, 1):
        click.secho(f"[{number}/{len(stages)}] {stage.name}", bold=True, err=True)
        if not run_stage(stage, out, force):
            click.echo("      up to date", err=True)
    print_bench(read_results(pipeline.results))
    pipeline.say_where_things_lie()
    pipeline.refuse_failed()


class _Pipeline:
    """Where the chain's files lie, and its stages, each with what goes in and what comes out."""

    def __init__(self, out: Path, data: Dataset, epochs: int | None, seed: int, max_drop: float, settings: Settings) -> None:
        self.data, self.max_drop, self.settings = data, max_drop, settings
        self.configs = [
            TrainingConfig(name, epochs=epochs or count, seed=seed, batch_size=64 if name == "cnn" else 128)
            for name, count in _PIPELINE_EPOCHS.items()
        ]
        self.runs, self.models, self.report = out / "runs", out / "models", out / "report.html"
        self.samples, self.digit = out / "samples.png", out / "digit.png"
        self.command = f"digits pipeline --seed {seed} --max-drop {max_drop:g}" + (f" --epochs {epochs}" if epochs else "")
        self.results, self.plots = out / "results.json", [out / "latency.png", out / "size.png"]

    def stages(self) -> list[Stage]:
        """All stages, in order."""
        names = [config.model for config in self.configs]
        return [
            Stage("look at the data", self._common(), [], [self.samples, self.digit], self._look),
            *(self._training_stage(config) for config in self.configs),
            *(self._conversion_stage(name) for name in names),
            Stage(
                "benchmark",
                {**self._common(), "samples": self.settings.samples, "board": self.settings.board, "cpu": cpu_name()},
                self._files(),
                [self.results, *self.plots],
                self._bench,
            ),
            Stage("report", self._common(), [*self._files(), self.results], [self.report], self._write_report),
        ]

    def say_where_things_lie(self) -> None:
        """The last lines on the screen."""
        click.echo(f"\nreport:  {self.report}\nmodels:  {self.models}{os.sep}\nnumbers: {self.results}")
        click.echo(f"next:    digits classify {self.digit} --model {self.models / 'cnn-int8.tflite'}")

    def refuse_failed(self) -> None:
        """Raise if the gate refused a file; everything has been published."""
        manifests = [model.manifest for model in self._checked_files() if model.manifest]
        failed = [
            f"{manifest.name} {manifest.recipe}: {manifest.verdict.reason}" for manifest in manifests if not manifest.verdict.passed
        ]
        if failed:
            raise GateFailed(f"the gate refused {len(failed)} of {len(manifests)} files: {'; '.join(failed)}")

    def _common(self) -> dict[str, str]:
        return {"data": self.data.sha256, "edge-digits": __version__, **{name: version(name) for name in _PACKAGES}}

    def _files(self) -> list[Path]:
        return [self.models / recipe.file_name(config.model) for config in self.configs for recipe in RECIPES.values()]

    def _checked_files(self) -> list[ModelFile]:
        return [read_model_file(path) for path in self._files()]

    def _run_file(self, name: str, file: str) -> Path:
        return self.runs / name / file

    def _look(self) -> None:
        from edge_runtime.preprocessing.image_files import png_bytes
        from train.runs.plots import sample_grid

        write_file(self.samples, sample_grid(self.data.train), force=True)
        write_file(self.digit, png_bytes(self.data.test.images[0]), force=True)

    def _training_stage(self, config: TrainingConfig) -> Stage:
        def work() -> None:
            from train.loop.trainer import train_run

            train_run(config, self.data, self.runs / config.model, force=True)

        outputs = [self._run_file(config.model, file) for file in ("model.keras", "training.json", "curves.png")]
        return Stage(f"train {config.model}", {**self._common(), **dataclasses.asdict(config)}, [], outputs, work)

    def _conversion_stage(self, name: str) -> Stage:
        from convert.flatbuffer.space_to_depth import MAX_COLUMNS

        model = self._run_file(name, "model.keras")

        def work() -> None:
            from tqdm import tqdm

            from convert.evaluation.gate import Limits
            from convert.export import export
            from convert.reporting.table import as_table
            from convert.settings import ConversionSettings

            # 4 bits are too few without training for them.
            settings = ConversionSettings(Limits(self.max_drop), qat=1, qat_recipes=("int4",))
            with tqdm(total=len(RECIPES), disable=None, leave=False) as bar:
                exported = export(
                    model,
                    self.data,
                    list(RECIPES.values()),
                    self.models,
                    settings=settings,
                    keep_failed=True,  # so that the report can say why
                    force=True,
                    step=lambda what: _advance(bar, what),
                )
            click.echo(as_table(exported.conversions), err=True)

        outputs = [*(self.models / recipe.file_name(name) for recipe in RECIPES.values()), self.models / f"{name}-conversion.json"]
        inputs = [model, self._run_file(name, "training.json")]
        settings = {**self._common(), "max_drop": self.max_drop, "fold_columns": MAX_COLUMNS}
        return Stage(f"convert {name}", settings, inputs, outputs, work)

    def _bench(self) -> None:
        from benchmarks.reporting.output import write_bench

        write_bench(run_bench(self._files(), self.settings, self.data), [self.results, *self.plots], force=True)

    def _write_report(self) -> None:
        from benchmarks.pipeline.sections import bench_section, conversion_section, data_section, summary_section, training_section
        from benchmarks.reporting.html import render

        models = self._checked_files()
        splits = (self.data.train, self.data.validation, self.data.test)
        counts = {split.name: [int((split.labels == label).sum()) for label in range(self.data.classes)] for split in splits}
        floats = [model.manifest for model in models if model.manifest and model.manifest.recipe == "float32"]
        curves = {config.model: self._run_file(config.model, "curves.png") for config in self.configs}
        result = read_results(self.results)
        sections = [
            summary_section(result, models, self.command),
            data_section(self.data.source, counts, self.samples),
            training_section(floats, curves),
            conversion_section(models),
            bench_section(result, *self.plots),
        ]
        write_file(self.report, render("edge-digits: from Keras training to this board", sections), force=True)
