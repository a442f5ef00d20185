"""What the first convolution on several columns at once is worth.

Every shipped model is converted from its committed weights with 1, 2 and 4 columns. The files of one recipe take turns in random order, an
image at a time on one thread. Raw samples go to benchmarks/reference; `make pages` writes the table.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.reporting.tables import as_markdown
from benchmarks.results.records import Machine
from benchmarks.runner.scheduler import turn_order
from benchmarks.system.info import this_machine
from convert.flatbuffer.space_to_depth import COLUMNS
from convert.quantization.recipes import find_recipe
from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.inference.interpreter import find_backend
from edge_runtime.inference.runner import Runner
from edge_runtime.model.graph import read_graph
from tools.release.evaluate import FOLDED_COLUMNS, RECIPES
from tools.release.evaluation import SHIPPED_SEED, seed_folder
from tools.release.layout import Layout, run
from tools.support.turns import add_board_options, board_and_target
from train.data import Dataset, load_dataset
from train.data.splits import calibration_indices
from train.runs.store import MODEL

ROUNDS = 5_000


@dataclass(frozen=True)
class Folded:
    """A model by one recipe. By number of columns: payload bytes of its file, and nanoseconds of one image in every round.

    Numbers that give the file of fewer columns are left out.
    """

    name: str
    recipe: str
    payload_bytes: dict[str, int]
    nanoseconds: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class FoldingResult:
    """What was measured on a machine."""

    machine: Machine
    models: tuple[Folded, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the samples."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.studies.conversion.folding", description="What is folding the first convolution worth?"
    )
    add_board_options(parser)
    options = parser.parse_args(arguments)
    board, target = board_and_target(options, "folding")
    result = measure(board, load_dataset(), 50 if options.quick else ROUNDS)
    print(table(result))
    if not options.quick:
        write_file(target, to_json(result) + "\n", options.force)


def measure(board: str, data: Dataset, rounds: int) -> FoldingResult:
    """Measure all models by all recipes that ship."""
    machine = this_machine(board, find_backend("litert"))
    return FoldingResult(machine, tuple(_measured(name, recipe, data, rounds) for name in FOLDED_COLUMNS for recipe in RECIPES))


def _measured(name: str, recipe: str, data: Dataset, rounds: int) -> Folded:
    # These load TensorFlow; the page writer, which reads results of this module, does without.
    from convert.build import postprocess
    from convert.settings import ConversionSettings
    from convert.source.tf_converter import to_flatbuffer
    from train.backend import keras

    model = keras.models.load_model(seed_folder(Layout().releases, name, SHIPPED_SEED) / MODEL)
    images = data.train.images[calibration_indices(data.train.labels)]
    converted = to_flatbuffer(model, find_recipe(recipe), images)
    files: dict[str, bytes] = {}
    for columns in COLUMNS:
        content = postprocess(converted, ConversionSettings(fold_columns=columns))
        if content not in files.values():
            files[str(columns)] = content
    sizes = {columns: read_graph(content).payload_bytes for columns, content in files.items()}
    return Folded(name, recipe, sizes, _turns(files, data.validation.images, rounds))


def _turns(files: dict[str, bytes], images: NDArray[np.uint8], rounds: int) -> dict[str, tuple[int, ...]]:
    """Nanoseconds of the interpreter's call with each file, in every round; a first tenth warms up."""
    backend, order = find_backend("litert"), random.Random(0)
    runners = {columns: Runner(content, read_graph(content), backend) for columns, content in files.items()}
    kept: dict[str, list[int]] = {columns: [] for columns in files}
    for number, columns in turn_order(list(files), rounds + rounds // 10, order):
        image = images[number % len(images)]
        before = time.perf_counter_ns()
        runners[columns].run_one(image)
        kept[columns].append(time.perf_counter_ns() - before)
    return {columns: tuple(times[rounds // 10 :]) for columns, times in kept.items()}


def table(result: FoldingResult) -> str:
    """A row for each file: the median and the payload of every number of columns, what was released in bold."""
    header = ("file", *(f"{columns} column{'s' * (columns > 1)}" for columns in COLUMNS))
    return as_markdown(header, [(f"{model.name} {model.recipe}", *_cells(model)) for model in result.models])


def _cells(model: Folded) -> list[str]:
    released = max(int(columns) for columns in model.payload_bytes if int(columns) <= FOLDED_COLUMNS[model.name])
    return [_cell(model, str(columns), bold=columns == released) for columns in COLUMNS]


def _cell(model: Folded, columns: str, *, bold: bool) -> str:
    if columns not in model.nanoseconds:
        return "as with fewer"
    text = f"{statistics.median(model.nanoseconds[columns]) / 1e3:.2f} us, {model.payload_bytes[columns]:,} B"
    return f"**{text}**" if bold else text


if __name__ == "__main__":
    run(main)
