"""Judges the committed 4-bit files: writes train/releases/int4/evaluation.json.

Each file is NAME-seedS-int4.tflite, converted from train/releases/NAME-seedS/model.keras by the command in its manifest. Plain
ai-edge-litert answers to every image; the Keras model's answers are those that the manifest counted. `--check` writes nothing and ends
with 1 where something else would be written. `make pages` writes the tables.
"""

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.intervals import accuracy_of
from edge_runtime.common.json_codec import read_json, to_json
from edge_runtime.errors import DataError
from edge_runtime.model.manifest import Comparison
from edge_runtime.model.model_file import ModelFile, read_model_file
from tools.release.evaluate import plain_answers
from tools.release.evaluation import EVALUATION, seed_folder
from tools.release.layout import Layout, run
from train.data import Dataset, load_dataset

FOLDER = "int4"
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
    """Judge the files, and write or compare the evaluation."""
    parser = argparse.ArgumentParser(prog="python -m tools.release.int4", description="Judge the committed 4-bit files.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the committed evaluation differs")
    options = parser.parse_args(arguments)
    layout = layout or Layout()
    target = layout.releases / FOLDER / EVALUATION
    content = to_json(evaluate(load_dataset(), layout), indent=1) + "\n"
    if options.check and target.read_text() != content:
        raise DataError(f"{target} is not what its files say; run python -m tools.release.int4")
    if not options.check:
        write_file(target, content, force=True)


def read_four_bits(layout: Layout) -> FourBitsEvaluation:
    """The committed evaluation."""
    return read_json(FourBitsEvaluation, layout.releases / FOLDER / EVALUATION)


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


if __name__ == "__main__":
    run(main)
