"""Measures the released models beside the official tutorial's network, once on each kind of machine.

nano, small and base and the tutorial's CNN, each as fp32 and int8, take turns in one run of the benchmark harness. The raw samples go to
benchmarks/reference/models-BOARD.json, which the model cards are written from.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.reporting.tables import HEADER, machine_line, rows
from benchmarks.reporting.warnings import warnings
from benchmarks.results.results import BenchResult
from benchmarks.runner.config import Settings
from benchmarks.runner.session import run as bench
from benchmarks.system.info import default_board_name
from edge_runtime.common.atomic_files import check_name, refuse_to_overwrite, write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.common.text_table import text_table
from tools.release.evaluate import RECIPES
from tools.release.layout import Layout, run
from train.config.config_file import RELEASED
from train.config.training_config import TrainingConfig
from train.data import Dataset, load_dataset

TUTORIAL, TUTORIAL_SIMPLIFIED = "tutorial", "tutorial-simplified"
SAMPLES, STARTS = 5_000, 10  # ten processes: what the interval of a ratio is drawn from


def main(arguments: Sequence[str] | None = None, layout: Layout | None = None) -> None:
    """Measure, print the table, write the results file."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.studies.benchmarks.measure_models", description="Measure the released models on this board."
    )
    parser.add_argument("names", nargs="*", default=RELEASED, help="models; all released ones if not given")
    parser.add_argument("--board", help="name of this board; what the system calls it if not given")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"timed calls of each file; {SAMPLES} if not given")
    parser.add_argument("--data", type=Path, help="the data set; the embedded MNIST if not given")
    parser.add_argument("--force", action="store_true", help="replace results of that board")
    parser.add_argument("--tutorial", type=Path, metavar="FOLDER", help="only write the tutorial's files there, for digits bench")
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(words)
    if options.tutorial:
        options.tutorial.mkdir(parents=True, exist_ok=True)
        print("written:", *_tutorial_files(load_dataset(options.data), options.tutorial, force=options.force))
        return
    layout = layout or Layout()
    command = shlex.join(["python", "-m", "tools.studies.benchmarks.measure_models", *words])
    settings = Settings(options.board or default_board_name(), options.samples, starts=STARTS, command=command)
    target = layout.results / f"models-{check_name(settings.board.replace(' ', '-'))}.json"
    refuse_to_overwrite(target, options.force)
    result = measure_models(options.names, settings, load_dataset(options.data), layout)
    write_file(target, to_json(result) + "\n", options.force)
    print(machine_line(result), text_table(HEADER, rows(result)), *warnings(result), f"written: {target}", sep="\n")


def measure_models(names: Sequence[str], settings: Settings, data: Dataset, layout: Layout) -> BenchResult:
    """Train the tutorial's network, then measure it and the released models' files, interleaved.

    Raises:
        ModelFileError: a released file is missing.
    """
    released = [layout.models / f"{name}-{recipe}.tflite" for name in names for recipe in RECIPES]
    with TemporaryDirectory() as place:
        return bench([*released, *_tutorial_files(data, Path(place))], settings, data)


def _tutorial_files(data: Dataset, place: Path, *, force: bool = False) -> list[Path]:
    """The tutorial's network, trained as the tutorial does: Adam at its default rate, batches of 32, five epochs.

    Converted twice: as TensorFlow's converter does it, which is what a follower of the tutorial gets, and made simpler first by ours.
    """
    from convert.evaluation.gate import Limits
    from convert.export import export
    from convert.quantization.recipes import find_recipe
    from convert.settings import ConversionSettings  # loads TensorFlow
    from train.backend import keras
    from train.loop.trainer import train_run
    from train.runs.store import MODEL

    config = TrainingConfig(TUTORIAL, epochs=5, batch_size=32, learning_rate=0.001, schedule="constant")
    train_run(config, data, place / TUTORIAL, force=force)
    path = place / f"{TUTORIAL}.keras"
    _without_scaling(keras.saving.load_model(place / TUTORIAL / MODEL, compile=False)).save(path)
    files = []
    for name, simplify in ((TUTORIAL, False), (TUTORIAL_SIMPLIFIED, True)):
        # No gate: it is measured, not released, and its accuracy stands in the results.
        settings = ConversionSettings(Limits(100), simplify=simplify)
        exported = export(path, data, [find_recipe(recipe) for recipe in RECIPES], place, name=name, settings=settings, force=force)
        files += [place / conversion.file_name for conversion in exported.conversions]
    return files


def _without_scaling(model: Any) -> Any:
    """The trained network as the tutorial has it: pixels are scaled outside, here in the first weights, so that it costs nothing."""
    from train.backend import keras, layers

    inputs = keras.Input(model.input_shape[1:], name="pixels")
    x = inputs
    for layer in model.layers[1:]:
        x = x if isinstance(layer, layers.Rescaling) else layer(x)
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            layer.kernel.assign(layer.kernel / 255)
    return keras.Model(inputs, x, name=TUTORIAL)


if __name__ == "__main__":
    run(main)
