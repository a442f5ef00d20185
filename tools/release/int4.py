"""Judges the committed 4-bit files: writes train/releases/int4/evaluation.json and the tables of docs/conversion.md.

Each file is NAME-seedS-int4.tflite, converted from train/releases/NAME-seedS/model.keras by the command in its manifest. Plain
ai-edge-litert answers to every image; the Keras model's answers are those that the manifest counted. `--check` writes nothing and ends
with 1 where something else would be written; `--page` writes the tables alone.
"""

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.reporting.tables import as_markdown
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.intervals import Accuracy, accuracy_of
from edge_runtime.common.json_codec import read_json, to_json
from edge_runtime.errors import DataError
from edge_runtime.model.manifest import Comparison
from edge_runtime.model.model_file import ModelFile, read_model_file
from tools.pages.marked import filled
from tools.pages.models.figures import interval_of_mean, over_seeds
from tools.release.evaluate import plain_answers
from tools.release.evaluation import EVALUATION, SEEDS, FileEvaluation, read_evaluation, seed_folder
from tools.release.layout import Layout, run
from train.config.config_file import BUDGETS, RELEASED
from train.data import Dataset, load_dataset

FOLDER, PAGE = "int4", "conversion.md"
# Test accuracy within so many bytes of payload, BitNetMCU's published figures (github.com/cpldcpu/BitNetMCU, docs/documentation.md).
PUBLISHED = {5_360: 99.06, 8_192: 99.28, 11_264: 99.53}
WITHIN = {5_360: "nano", 8_192: "micro", 11_264: "mini"}


@dataclass(frozen=True)
class FourBits:
    """One 4-bit file. `test` and `validation` hold it against its Keras model; the candidate's counts are by plain `runtime`."""

    name: str
    seed: int
    sha256: str
    file_bytes: int
    payload_bytes: int
    scale_bytes: int
    epochs: int
    validation: Comparison
    test: Comparison


@dataclass(frozen=True)
class FourBitsEvaluation:
    """All of them."""

    runtime: str
    files: tuple[FourBits, ...]


def main(arguments: Sequence[str] | None = None, layout: Layout | None = None) -> None:
    """Judge the files, write what was found and the tables."""
    parser = argparse.ArgumentParser(prog="python -m tools.release.int4", description="Judge the committed 4-bit files.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--page", action="store_true", help="write the tables alone, from what was found before")
    options = parser.parse_args(arguments)
    layout = layout or Layout()
    target, page = layout.releases / FOLDER / EVALUATION, layout.page.with_name(PAGE)
    found = read_json(FourBitsEvaluation, target) if options.page else evaluate(load_dataset(), layout)
    text = filled(page.read_text(), tables(found, layout), page.name)
    for path, content in ((target, to_json(found, indent=1) + "\n"), (page, text)):
        if options.check and path.read_text() != content:
            raise DataError(f"{path} is not what its files say; run python -m tools.release.int4")
        if not options.check:
            write_file(path, content, force=True)


def evaluate(data: Dataset, layout: Layout) -> FourBitsEvaluation:
    """Judge every file of the folder.

    Raises:
        DataError: a file is of no committed model, was not proven, or does not do what it says.
    """
    from importlib.metadata import version

    paths = sorted((layout.releases / FOLDER).glob("*-int4.tflite"))
    return FourBitsEvaluation(f"ai-edge-litert {version('ai-edge-litert')}", tuple(_judge(path, data, layout) for path in paths))


def _judge(path: Path, data: Dataset, layout: Layout) -> FourBits:
    content, model = path.read_bytes(), read_model_file(path)
    name, seed = _whose(path)
    keras = seed_folder(layout.releases, name, seed) / "model.keras"
    manifest = model.manifest
    if manifest is None or manifest.origin.keras_sha256 != hashlib.sha256(keras.read_bytes()).hexdigest():
        raise DataError(f"{path}: was not made from {keras}")
    for split, stated in zip((data.validation, data.test), manifest.accuracy, strict=True):
        if (found := accuracy_of(plain_answers(content, split.images), split.labels)) != stated.candidate:
            raise DataError(f"{path}: {found.correct:,} {split.name} images right, its manifest says {stated.candidate.correct:,}")
    validation, test = manifest.accuracy
    epochs = manifest.origin.calibration.get("qat_epochs", 0)
    return FourBits(name, seed, hashlib.sha256(content).hexdigest(), *_sizes(model), epochs, validation, test)


def _whose(path: Path) -> tuple[str, int]:
    matched = re.fullmatch(r"([a-z]+)-seed(\d)-int4", path.stem)
    if not matched:
        raise DataError(f"{path}: is called after no committed model")
    return matched[1], int(matched[2])


def _sizes(model: ModelFile) -> tuple[int, int, int]:
    return model.file_bytes, model.graph.payload_bytes, model.graph.scale_bytes


def tables(found: FourBitsEvaluation, layout: Layout) -> dict[str, str]:
    """The parts of the page by name."""
    return {"int4": _against_float(found, layout), "budgets": _within_budgets(found), "int8": _int8(layout)}


def _of(found: FourBitsEvaluation, name: str) -> list[FourBits]:
    files = [file for file in found.files if file.name == name]
    if [file.seed for file in files] != list(SEEDS):
        raise DataError(f"{name} has no 4-bit files of the seeds {SEEDS}")
    return files


def _against_float(found: FourBitsEvaluation, layout: Layout) -> str:
    header = (
        "model",
        "epochs",
        "payload",
        "of int8's",
        "scales",
        "float, mean",
        "int4, mean (95 % interval)",
        "drop",
        "each seed's p",
    )
    rows = []
    for name in (*RELEASED, *BUDGETS):
        files = _of(found, name)
        eight = _int8_file(layout, name) if name in RELEASED else None
        rows.append(
            (
                name,
                f"{files[0].epochs}",
                f"{files[0].payload_bytes:,} B",
                f"{files[0].payload_bytes / eight.payload_bytes:.2f}" if eight else "",
                f"{files[0].scale_bytes:,} B",
                f"{mean(file.test.reference.percent for file in files):.3f} %",
                _mean_text([file.test.candidate for file in files]),
                f"{mean(file.test.drop for file in files):+.3f}",
                ", ".join(f"{file.test.mcnemar_p:.2g}" for file in files),
            )
        )
    return as_markdown(header, rows)


def _mean_text(accuracies: Sequence[Accuracy]) -> str:
    spread = over_seeds([accuracy.percent for accuracy in accuracies])
    return f"**{spread.mean:.3f} %** ({spread.interval[0]:.2f} to {spread.interval[1]:.2f})"


def _within_budgets(found: FourBitsEvaluation) -> str:
    header = ("budget", "model", "payload", "scales", "int4 on test, mean (95 % interval)", "seeds", "published")
    return as_markdown(header, [_budget_row(budget, _of(found, name), name) for budget, name in WITHIN.items()])


def _budget_row(budget: int, files: Sequence[FourBits], name: str) -> tuple[str, ...]:
    if any(file.payload_bytes > budget for file in files):
        raise DataError(f"{name} has {files[0].payload_bytes:,} bytes of payload, more than {budget:,}")
    return (
        f"{budget:,} B",
        name,
        f"{files[0].payload_bytes:,} B",
        f"{files[0].scale_bytes:,} B",
        _mean_text([file.test.candidate for file in files]),
        ", ".join(f"{file.test.candidate.correct:,}" for file in files),
        f"{PUBLISHED[budget]:.2f} %",
    )


def _int8(layout: Layout) -> str:
    return as_markdown(
        ("model", "float32, mean", "int8, mean", "drop (95 % interval of the mean)"), [_int8_row(name, layout) for name in RELEASED]
    )


def _int8_row(name: str, layout: Layout) -> tuple[str, ...]:
    evaluations = [read_evaluation(seed_folder(layout.releases, name, seed) / EVALUATION) for seed in SEEDS]
    plain, eight = ([each.file(recipe).test.accuracy.percent for each in evaluations] for recipe in ("float32", "static_wi8_ai8"))
    drops = [before - after for before, after in zip(plain, eight, strict=True)]
    low, high = interval_of_mean(drops)
    return (name, f"{mean(plain):.3f} %", f"{mean(eight):.3f} %", f"{mean(drops):+.3f} ({low:+.3f} to {high:+.3f})")


def _int8_file(layout: Layout, name: str) -> FileEvaluation:
    return read_evaluation(seed_folder(layout.releases, name, 0) / EVALUATION).file("static_wi8_ai8")


if __name__ == "__main__":
    run(main)
