"""Judges one seed of a released model, after everything has been chosen: `python -m tools.release.evaluate NAME SEED`.

Converts train/releases/NAME-seedSEED/model.keras to fp32 and int8 under the accuracy gate, asks plain ai-edge-litert about every validation
and test image, and writes evaluation.json beside the run. The files of seed 0 go to edge_runtime/models/. Run again, it finds the same and
changes nothing; it ends with an error where it would, but for what another CPU's float arithmetic changes (tools/release/same_model.py).
"""

import argparse
import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.common.stderr_filter import filter_stderr
from edge_runtime.errors import BadArgument, DigitsError, GateFailed, WouldOverwrite
from tools.release.evaluation import (
    EVALUATION,
    SCHEMA_VERSION,
    SEEDS,
    SHIPPED_SEED,
    FileEvaluation,
    ReleaseEvaluation,
    SplitEvaluation,
    evaluate_answers,
    seed_folder,
)
from tools.release.layout import Layout, run
from tools.release.same_model import say_the_same
from train.config.config_file import RELEASED, read_config
from train.data import Dataset, Split, load_dataset
from train.runs.store import MODEL, RECORD, read_record

if TYPE_CHECKING:
    from convert.conversion import Conversion

_RUNTIME = "ai-edge-litert"
RECIPES = ("fp32", "int8")
# With the converter's four, nano would leave its 8,192 bytes of payload, and base its 100,000 bytes of file.
FOLDED_COLUMNS = {"nano": 2, "small": 4, "base": 2}


def main(arguments: Sequence[str] | None = None, layout: Layout | None = None) -> None:
    """Evaluate one seed and say what came out."""
    parser = argparse.ArgumentParser(prog="python -m tools.release.evaluate", description="Judge one seed of a released model.")
    parser.add_argument("name", choices=RELEASED)
    parser.add_argument("seed", type=int, choices=SEEDS)
    parser.add_argument("--data", type=Path, help="the data set; the embedded MNIST if not given")
    parser.add_argument("--force", action="store_true", help="replace files that say something else")
    options = parser.parse_args(arguments)
    found = evaluate_release(options.name, options.seed, load_dataset(options.data), layout or Layout(), force=options.force)
    for file in found.files:
        for split in (file.validation, file.test):
            print(
                f"{found.name} seed {found.seed} {file.recipe}: {split.split} {split.accuracy.correct:,}/{split.accuracy.total:,}"
            )


def evaluate_release(name: str, seed: int, data: Dataset, layout: Layout, *, force: bool = False) -> ReleaseEvaluation:
    """Convert one seed's model, judge its files, and write what belongs into the checkout.

    Raises:
        BadArgument: the run is not finished, or is not one of the committed config.
        WouldOverwrite: a file is there with another content and `force` is false.
        GateFailed: a file lost too much accuracy. The evaluation is written before that, the refused file is not.
    """
    from convert.evaluation.gate import DEFAULT_MAX_DROP, Limits
    from convert.export import export  # loads TensorFlow
    from convert.quantization.recipes import find_recipe
    from convert.settings import ConversionSettings

    folder = seed_folder(layout.releases, name, seed)
    _check_run(folder, layout.releases / f"{name}.toml", seed)
    with TemporaryDirectory() as place:
        settings = ConversionSettings(Limits(DEFAULT_MAX_DROP), fold_columns=FOLDED_COLUMNS[name])
        recipes = [find_recipe(recipe) for recipe in RECIPES]
        conversions = export(folder / MODEL, data, recipes, Path(place), name=name, settings=settings).conversions
    evaluation = ReleaseEvaluation(
        schema_version=SCHEMA_VERSION,
        name=name,
        seed=seed,
        keras_sha256=hashlib.sha256((folder / MODEL).read_bytes()).hexdigest(),
        data_sha256=data.sha256,
        runtime=f"{_RUNTIME} {version(_RUNTIME)}",
        files=tuple(_judge(conversion, data) for conversion in conversions),
    )
    contents = {folder / EVALUATION: (to_json(evaluation) + "\n").encode()}
    if seed == SHIPPED_SEED:
        contents |= {
            layout.models / conversion.file_name: conversion.content
            for conversion in conversions
            if conversion.manifest.verdict.passed
        }
    _put(contents, force)
    if refused := [conversion for conversion in conversions if not conversion.manifest.verdict.passed]:
        raise GateFailed("; ".join(f"{conversion.file_name}: {conversion.manifest.verdict.reason}" for conversion in refused))
    return evaluation


def plain_answers(model: bytes, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Answers of a .tflite by ai-edge-litert alone, one image at a time on one thread, as a device would ask.

    Args:
        model: content of the file.
        images: uint8 [N, 28, 28].

    Returns:
        int64 [N], the class of the largest output.
    """
    from ai_edge_litert.interpreter import Interpreter

    with filter_stderr():
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    pixels = _as_input(images, source).reshape(-1, *source["shape"])
    answers = np.empty(len(images), np.int64)
    for position, image in enumerate(pixels):
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        answers[position] = interpreter.get_tensor(sink["index"])[0].argmax()
    return answers


def _as_input(images: NDArray[np.uint8], source: dict[str, Any]) -> NDArray[Any]:
    scale, zero_point = source["quantization"]
    if not scale:  # a float input
        return images.astype(source["dtype"])
    limits = np.iinfo(source["dtype"])
    steps = np.clip(np.rint(images / scale + zero_point), limits.min, limits.max)
    return np.asarray(steps, source["dtype"])


def _check_run(folder: Path, config_file: Path, seed: int) -> None:
    record = read_record(folder / RECORD)
    if not record.complete:
        raise BadArgument(f"{folder}: was stopped after {len(record.history)} of {record.config.epochs} epochs; --resume it first")
    if record.config != read_config(config_file, seed=seed):
        raise BadArgument(f"{folder}: was not trained as {config_file.name} says with seed {seed}")


def _judge(conversion: "Conversion", data: Dataset) -> FileEvaluation:
    model, manifest = conversion.model, conversion.manifest
    splits = [_judge_split(conversion, split, data.classes) for split in (data.validation, data.test)]
    for found, stated in zip(splits, manifest.accuracy, strict=True):
        if found.accuracy != stated.candidate:
            raise DigitsError(
                f"{conversion.file_name}: {found.accuracy.correct:,} {found.split} images right by plain {_RUNTIME}, "
                f"but its manifest says {stated.candidate.correct:,}"
            )
    return FileEvaluation(
        recipe=conversion.recipe.name,
        sha256=hashlib.sha256(conversion.content).hexdigest(),
        flatbuffer_sha256=model.sha256,
        file_bytes=model.file_bytes,
        payload_bytes=model.graph.payload_bytes,
        scale_bytes=model.graph.scale_bytes,
        gate_passed=manifest.verdict.passed,
        validation=splits[0],
        test=splits[1],
    )


def _judge_split(conversion: "Conversion", split: Split, classes: int) -> SplitEvaluation:
    return evaluate_answers(split.name, plain_answers(conversion.content, split.images), split.labels, classes)


def _put(contents: dict[Path, bytes], force: bool) -> None:
    """Write files, or find them there already.

    All are compared before the first is written. If one is written all are, since one names the hashes of the others: what was there and
    says the same may have been made on another CPU.
    """
    new = [path for path, content in contents.items() if not path.exists() or not say_the_same(path.read_bytes(), content)]
    if (taken := [path for path in new if path.exists()]) and not force:
        raise WouldOverwrite(f"{taken[0]} says something else than what was found now; give --force to replace it")
    for path, content in contents.items() if new else ():
        write_file(path, content, force=True)


if __name__ == "__main__":
    run(main)
