"""Train, convert and prove the line model: `python -m tools.release.lines FOLDER`.

Trains on invented lines in FOLDER, where a stopped training goes on; converts the network to int8 as all models are; compares the file
with the float network on invented lines of validation and, at the end, of test images; writes edge_runtime/models/lines/. An hour on 2
cores.
"""

import argparse
import hashlib
import io
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.json_codec import to_json
from edge_runtime.errors import GateFailed
from edge_runtime.inference.interpreter import find_backend
from edge_runtime.reading.line_model import LINE_MODEL, WIDTH, LineModel
from edge_runtime.reading.line_record import GoldenLines, LineRecord, golden_path, record_path
from tools.release.layout import run
from train.data import Dataset, load_dataset
from train.lines.dataset import Lines, held_out_lines
from train.lines.training import LineConfig, predict_lines, train_lines, training_lines

TEST_LINES = 5_000
CALIBRATION_LINES = 500
GOLDEN_LINES = 4
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "scipy")


def main() -> None:
    """Train, convert, prove, write."""
    parser = argparse.ArgumentParser(prog="python -m tools.release.lines", description="Train, convert and prove the line model.")
    parser.add_argument("folder", type=Path, help="of the training; one that was stopped there goes on")
    folder = parser.parse_args().folder
    config, data = LineConfig(), load_dataset()
    network = train_lines(config, data, folder)
    flatbuffer = to_int8(network.get_weights(), config, data)
    model = LineModel(flatbuffer, find_backend("litert"))

    from convert.evaluation.gate import Limits, compare, judge

    compared = {}
    for lines, name in ((held_out_lines(data.validation, config.validation_lines), "validation"), (_test_lines(data), "test")):
        right = np.ones(len(lines.texts), np.int64)
        floats, integers = lines.whole(predict_lines(network, lines.images)), lines.whole(outputs_of(model, lines))
        compared[name] = compare(name, right, floats.astype(np.int64), integers.astype(np.int64))
    record = LineRecord(
        sha256=hashlib.sha256(flatbuffer).hexdigest(),
        bytes=len(flatbuffer),
        training={name: str(value) for name, value in asdict(config).items()},
        versions={name: version(name) for name in _PACKAGES},
        validation=compared["validation"],
        test=compared["test"],
        verdict=judge(compared["test"], Limits(max_drop=1.0)),
    )
    print(record)
    if not record.verdict.passed:
        raise GateFailed(f"the line model lost too much: {record.verdict.reason}")
    LINE_MODEL.parent.mkdir(exist_ok=True)
    write_file(LINE_MODEL, flatbuffer, force=True)
    write_file(record_path(), to_json(record, indent=1) + "\n", force=True)
    write_file(golden_path(), _npz_bytes(golden_lines(model, _test_lines(data))), force=True)


def to_int8(weights: list[NDArray[np.float32]], config: LineConfig, data: Dataset) -> bytes:
    """The int8 FlatBuffer of the network with these weights, for lines of 256 columns."""
    from convert.flatbuffer.strip import strip
    from convert.quantization.recipes import RECIPES
    from convert.source.tf_converter import to_flatbuffer
    from train.lines.network import build_line_network

    network = build_line_network(config.channels, config.seed, WIDTH)
    network.set_weights(weights)
    lines = training_lines(LineConfig(lines=CALIBRATION_LINES, drawn=CALIBRATION_LINES, seed=config.seed + 1), data)
    padded = np.pad(lines.images, ((0, 0), (0, 0), (0, WIDTH - lines.images.shape[2])))
    return strip(to_flatbuffer(network, RECIPES["int8"], padded))


def outputs_of(model: LineModel, lines: Lines) -> NDArray[np.int8]:
    """The raw outputs of a file for each line: int8 [N, 80, 11]."""
    return np.stack([model.outputs(image) for image in lines.images])


def golden_lines(model: LineModel, lines: Lines) -> GoldenLines:
    """The longest of some lines that are read wholly right, with their outputs."""
    outputs = outputs_of(model, Lines(lines.images[:100], lines.texts[:100]))
    right = np.flatnonzero(Lines(lines.images[:100], lines.texts[:100]).whole(outputs))
    chosen = sorted(right, key=lambda number: -len(lines.texts[number]))[:GOLDEN_LINES]
    return GoldenLines(lines.images[chosen], outputs[chosen])


def _test_lines(data: Dataset) -> Lines:
    return held_out_lines(data.test, TEST_LINES, test=True)


def _npz_bytes(golden: GoldenLines) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, images=golden.images, outputs=golden.outputs)
    return stream.getvalue()


if __name__ == "__main__":
    run(main)
