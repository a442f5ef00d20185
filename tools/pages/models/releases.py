"""Released models with everything that is known of them, read from committed files and checked against each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.results.results import BenchResult, ModelResult, read_results
from convert.quantization.recipes import RECIPES
from edge_runtime.errors import DataError
from edge_runtime.model.manifest import Manifest
from edge_runtime.model.model_file import ModelFile, read_model_file
from tools.release.evaluation import (
    EVALUATION,
    SEEDS,
    SHIPPED_SEED,
    FileEvaluation,
    ReleaseEvaluation,
    read_evaluation,
    seed_folder,
)
from tools.release.layout import Layout
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.distillation.teachers import by_hash
from train.runs.store import RECORD, TrainingRecord, read_record

SHIPPED_RECIPES = tuple(RECIPES[short] for short in ("fp32", "int8"))


@dataclass(frozen=True)
class Released:
    """A released model.

    config_text: the committed TOML. records, evaluations: of all seeds. files: the shipped ones by recipe. teachers: whom it learned from.
    """

    name: str
    config_text: str
    records: tuple[TrainingRecord, ...]
    evaluations: tuple[ReleaseEvaluation, ...]
    files: dict[str, ModelFile]
    teachers: tuple[tuple[str, Manifest], ...]

    @property
    def config(self) -> TrainingConfig:
        """What the shipped seed was trained by."""
        return self.records[SHIPPED_SEED].config

    def evaluated(self, recipe: str) -> list[FileEvaluation]:
        """The evaluations of a recipe, seed by seed."""
        return [evaluation.file(recipe) for evaluation in self.evaluations]

    def shipped(self, recipe: str) -> FileEvaluation:
        """The evaluation of the file that ships."""
        return self.evaluated(recipe)[SHIPPED_SEED]


def read_released(name: str, layout: Layout, data: Dataset) -> Released:
    """Read a released model.

    Raises:
        DataError: a file is missing or damaged, or two of them do not belong together.
        ModelFileError: a shipped file is missing or damaged.
    """
    folders = [seed_folder(layout.releases, name, seed) for seed in SEEDS]
    records = tuple(read_record(folder / RECORD) for folder in folders)
    evaluations = tuple(read_evaluation(folder / EVALUATION) for folder in folders)
    files = {recipe.name: read_model_file(layout.models / recipe.file_name(name)) for recipe in SHIPPED_RECIPES}
    for folder, seed, evaluation in zip(folders, SEEDS, evaluations, strict=True):
        if (evaluation.name, evaluation.seed, evaluation.data_sha256) != (name, seed, data.sha256):
            raise DataError(f"{folder / EVALUATION}: is of {evaluation.name} seed {evaluation.seed}, or of other data")
    for recipe, file in files.items():
        if file.sha256 != evaluations[SHIPPED_SEED].file(recipe).flatbuffer_sha256:
            raise DataError(f"{name} {recipe} is not the file that was evaluated; run python -m tools.release.evaluate {name} 0")
    return Released(
        name=name,
        config_text=(layout.releases / f"{name}.toml").read_text().strip(),
        records=records,
        evaluations=evaluations,
        files=files,
        teachers=tuple(_teachers(records[SHIPPED_SEED].config, layout.teachers)),
    )


def read_measurements(layout: Layout, releases: Sequence[Released]) -> list[BenchResult]:
    """The latency measurements of all boards, each of which must be of these very files.

    Raises:
        DataError: there is none, or one lacks a file or is of another one.
    """
    paths = sorted(layout.results.glob("models-*.json"))
    if not paths:
        raise DataError(f"{layout.results} holds no models-*.json; run python -m tools.studies.benchmarks.measure_models")
    results = [read_results(path) for path in paths]
    for path, result in zip(paths, results, strict=True):
        measured = {model.sha256 for model in result.models}
        stale = [file.name for release in releases for file in release.files.values() if file.sha256 not in measured]
        if stale:
            raise DataError(
                f"{path}: has not measured the shipped files of {stale[0]}; run python -m tools.studies.benchmarks.measure_models --force"
            )
    return results


def find_result(result: BenchResult, name: str, recipe: str) -> ModelResult:
    """A model's measurement.

    Raises:
        DataError: there is none.
    """
    for model in result.models:
        if (model.name, model.recipe) == (name, recipe):
            return model
    raise DataError(f"the measurements on {result.machine.board} lack {name} {recipe}")


def _teachers(config: TrainingConfig, folder: Path) -> list[tuple[str, Manifest]]:
    wanted = config.distillation.teachers if config.distillation else ()
    known = by_hash(folder)
    if missing := [digest for digest in wanted if digest not in known]:
        raise DataError(f"{folder}: no teacher with sha256 {missing[0]}")
    found = [(known[digest].name, read_model_file(known[digest]).manifest) for digest in wanted]
    return [(name, manifest) for name, manifest in found if manifest]
