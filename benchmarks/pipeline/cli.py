"""`digits pipeline`. A composition root: it may import any package, and no library module imports it."""

import dataclasses
import os
from importlib.metadata import version
from pathlib import Path

import click

from benchmarks.pipeline.stages import Stage, run_stage
from benchmarks.reporting.terminal import result_lines
from benchmarks.results.results import read_results, write_results
from benchmarks.runner.config import Settings
from benchmarks.runner.progress import command_line, progress, run_with_progress
from benchmarks.system.info import cpu_name, default_board_name
from convert.quantization.recipes import RECIPES
from edge_runtime.common.atomic_files import write_file
from edge_runtime.errors import GateFailed
from edge_runtime.model.model_file import ModelFile, read_model_file
from edge_runtime.model.recipe_names import short_recipe
from edge_runtime.version import __version__
from train.cli_options import data_option, max_drop_option
from train.config.training_config import TrainingConfig
from train.data import Dataset, load_dataset

# Short runs: minutes on two cores, and long enough for the figures of the report.
_EPOCHS = {"linear": 4, "mlp": 8, "cnn": 4}
_PACKAGES = (
    "tensorflow",
    "keras",
    "ai-edge-litert",
    "litert-quantizer",
    "numpy",
)  # another version of one makes all stages out of date


@click.command("pipeline", epilog="Example: digits pipeline --out demo --epochs 2")
@click.option("--out", type=click.Path(path_type=Path), default="demo", show_default=True, help="Folder for all files.")
@data_option
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Epochs of each model; default: 4 (linear, cnn) or 8 (mlp).")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of the trainings.")
@click.option("--samples", type=int, default=2_000, show_default=True, help="Timed calls of each file in the benchmark.")
@max_drop_option
@click.option("--force", is_flag=True, help="Run stages that are up to date, too.")
def pipeline_command(
    out: Path, data_path: Path | None, epochs: int | None, seed: int, samples: int, max_drop: float | None, force: bool
) -> None:
    """Train three models, convert them with every recipe, benchmark all files, and write a report.

    Stages that are up to date are skipped. Exits 3 if the accuracy gate refused a file, after the report is written.
    """
    import jinja2  # noqa: F401 - fail now if it is missing, not after minutes of training

    # A photo takes all recipes of a network alike, and tens of thousands of times as long as a digit.
    settings = Settings(default_board_name(), samples, photos=False, command=command_line())
    pipeline = _Pipeline(out, load_dataset(data_path), epochs, seed, max_drop, settings)
    stages = pipeline.stages()
    for number, stage in enumerate(stages, 1):
        click.secho(f"[{number}/{len(stages)}] {stage.name}", bold=True, err=True)
        if not run_stage(stage, out, force):
            click.echo("      up to date", err=True)
    for line in (*result_lines(read_results(pipeline.results)), *pipeline.closing_lines()):
        click.echo(line)
    pipeline.check_gate()


class _Pipeline:
    """The files of the pipeline and its stages, each with its inputs and outputs."""

    def __init__(self, out: Path, data: Dataset, epochs: int | None, seed: int, max_drop: float | None, settings: Settings) -> None:
        self.data, self.max_drop, self.settings = data, max_drop, settings
        self.configs = [
            TrainingConfig(name, epochs=epochs or count, seed=seed, batch_size=64 if name == "cnn" else 128)
            for name, count in _EPOCHS.items()
        ]
        self.runs, self.models, self.report = out / "runs", out / "models", out / "report.html"
        self.samples, self.digit = out / "samples.png", out / "digit.png"
        given = {"epochs": epochs, "max-drop": max_drop}
        self.command = " ".join(
            [f"digits pipeline --seed {seed}", *(f"--{name} {value:g}" for name, value in given.items() if value is not None)]
        )
        self.results, self.plots = out / "results.json", [out / "latency.png", out / "size.png"]

    def stages(self) -> list[Stage]:
        """All stages, in order."""
        names = [config.model for config in self.configs]
        return [
            Stage("look at the data", self._common(), [], [self.samples, self.digit], self._draw_samples),
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

    def closing_lines(self) -> list[str]:
        """Where the files are, and the next command."""
        return [
            f"\nreport:  {self.report}",
            f"models:  {self.models}{os.sep}",
            f"results: {self.results}",
            f"next:    digits classify {self.digit} --model {self.models / 'cnn-int8.tflite'}",
        ]

    def check_gate(self) -> None:
        """Raise if the gate refused a file, when all results have been written."""
        manifests = [model.manifest for model in self._model_files() if model.manifest]
        failed = [f"{manifest.name} {short_recipe(manifest.recipe)}" for manifest in manifests if not manifest.verdict.passed]
        if failed:
            raise GateFailed(
                f"the gate refused {len(failed)} of {len(manifests)} files: {', '.join(failed)}; {self.report} has the reasons"
            )

    def _common(self) -> dict[str, str]:
        return {"data": self.data.sha256, "edge-digits": __version__, **{name: version(name) for name in _PACKAGES}}

    def _files(self) -> list[Path]:
        return [self.models / recipe.file_name(config.model) for config in self.configs for recipe in RECIPES.values()]

    def _model_files(self) -> list[ModelFile]:
        return [read_model_file(path) for path in self._files()]

    def _run_file(self, name: str, file: str) -> Path:
        return self.runs / name / file

    def _draw_samples(self) -> None:
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
            from convert.evaluation.gate import Limits
            from convert.export import export
            from convert.settings import ConversionSettings

            # int4 loses too much accuracy without quantisation-aware training.
            settings = ConversionSettings(Limits(self.max_drop), qat=1, qat_recipes=("int4",))
            with progress(len(RECIPES)) as step:
                export(
                    model,
                    self.data,
                    list(RECIPES.values()),
                    self.models,
                    settings=settings,
                    keep_failed=True,  # the report states why
                    force=True,
                    step=step,
                )

        outputs = [*(self.models / recipe.file_name(name) for recipe in RECIPES.values()), self.models / f"{name}-conversion.json"]
        inputs = [model, self._run_file(name, "training.json")]
        settings = {**self._common(), "max_drop": self.max_drop, "fold_columns": MAX_COLUMNS}
        return Stage(f"convert {name}", settings, inputs, outputs, work)

    def _bench(self) -> None:
        from benchmarks.reporting.plots import write_plots

        result = run_with_progress(self._files(), self.settings, self.data)
        write_results(self.results, result, force=True)
        latency, size = self.plots
        write_plots(result, latency, size, force=True)

    def _write_report(self) -> None:
        from benchmarks.pipeline.sections import bench_section, conversion_section, data_section, summary_section, training_section
        from benchmarks.reporting.html import render

        models = self._model_files()
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
