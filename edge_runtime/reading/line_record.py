"""What is known of the shipped line model: `lines-int8.json` beside it, and golden lines with the outputs that it must give."""

from dataclasses import field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.json_codec import read_json
from edge_runtime.errors import ModelFileError
from edge_runtime.model.manifest import Comparison, Verdict
from edge_runtime.reading.line_model import LINE_MODEL, LineModel, digits_of, text_of

TOLERANCE = 2
"""Maximum difference of outputs from the recorded ones, in steps: kernels of different CPUs round sums differently."""


@frozen_dataclass
class LineRecord:
    """How the line model was made and proven. Its comparisons count lines, right if all their digits are.

    sha256, bytes: of the file. training: settings. versions: of the packages. validation, test: the file against the float model on
    invented lines of validation and test images.
    """

    sha256: str
    bytes: int
    training: dict[str, str]
    versions: dict[str, str]
    validation: Comparison
    test: Comparison
    verdict: Verdict


@frozen_dataclass
class GoldenLines:
    """Lines with recorded outputs: uint8 [N, 32, 160] and int8 [N, 80, 11]."""

    images: NDArray[np.uint8] = field(repr=False)
    outputs: NDArray[np.int8] = field(repr=False)


def record_path(model: Path = LINE_MODEL) -> Path:
    """Where the record of a line model lies."""
    return model.with_suffix(".json")


def golden_path(model: Path = LINE_MODEL) -> Path:
    """Where the golden lines of a line model lie."""
    return model.with_suffix(".npz")


def read_record(model: Path = LINE_MODEL) -> LineRecord:
    """Read the record of a line model.

    Raises:
        DataError: it cannot be read.
    """
    return read_json(LineRecord, record_path(model))


def read_golden(model: Path = LINE_MODEL) -> GoldenLines:
    """Read the golden lines of a line model.

    Raises:
        ModelFileError: they cannot be read.
    """
    path = golden_path(model)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return GoldenLines(arrays["images"], arrays["outputs"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path}: cannot be read as golden lines ({error})") from error


def equal_lines(model: LineModel, golden: GoldenLines) -> int:
    """The number of golden lines that are read as recorded, with every output within the tolerance."""
    return sum(_is_equal(model.outputs(image), outputs) for image, outputs in zip(golden.images, golden.outputs, strict=True))


def _is_equal(found: NDArray[np.int8], recorded: NDArray[np.int8]) -> bool:
    near = found.shape == recorded.shape and int(np.abs(found.astype(int) - recorded).max()) <= TOLERANCE
    return near and text_of(digits_of(found)) == text_of(digits_of(recorded))  # a scale changes no order
