"""The line model reads whole lines: its golden lines as recorded, long ones in windows, and other files are refused."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import ModelFileError
from edge_runtime.model.model_file import DEFAULT_MODEL, read_model_file
from edge_runtime.reading.line_image import HEIGHT
from edge_runtime.reading.line_model import BLANK, LINE_MODEL, WIDTH, LineModel, digits_of
from edge_runtime.reading.line_record import equal_lines, read_golden, read_record
from train.data import Dataset
from train.lines.dataset import held_out_lines

MODEL = LineModel.load()


def test_golden_lines_are_read_as_recorded() -> None:
    """And the record is that of the file, which passed the gate."""
    golden, record = read_golden(), read_record()
    assert equal_lines(MODEL, golden) == len(golden.images) == 4
    content = LINE_MODEL.read_bytes()
    assert (record.sha256, record.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert record.verdict.passed
    damaged = golden.images.copy()
    damaged[0, :, :40] = 0
    assert equal_lines(MODEL, type(golden)(damaged, golden.outputs)) == 3


def test_lines_of_validation_images_are_read_as_the_record_says(mnist: Dataset) -> None:
    """Within five standard deviations."""
    lines = held_out_lines(mnist.validation, 120)
    right = np.mean(
        ["".join(digit.label for digit in MODEL.read(image)) == text for image, text in zip(*vars(lines).values(), strict=True)]
    )
    stated = read_record().validation.candidate
    share = stated.correct / stated.total
    assert abs(right - share) < 5 * np.sqrt(share * (1 - share) / 120)


@pytest.mark.parametrize("width", [1, 31, WIDTH - 1, WIDTH, WIDTH + 1, 700])
def test_windows_give_what_one_wide_line_gives(width: int) -> None:
    """A column's outputs do not depend on where a window begins."""
    line = np.random.default_rng(width).integers(0, 256, (HEIGHT, width)).astype(np.uint8)
    outputs = MODEL.outputs(line)
    assert outputs.shape == (-(-width // 2), BLANK + 1)
    if width > WIDTH:
        shifted = MODEL.outputs(line[:, 100:])
        assert np.array_equal(outputs[50 + 15 : 200], shifted[15:150])
    probabilities = MODEL.probabilities(line)
    assert probabilities.sum(axis=1) == pytest.approx(1)


def test_digits_are_runs_of_a_class() -> None:
    """A blank parts equal neighbours; each digit has the columns where it was seen."""
    classes = [BLANK, 3, 3, BLANK, 3, 5, BLANK]
    probabilities = np.full((len(classes), BLANK + 1), 0.01, np.float32)
    probabilities[range(len(classes)), classes] = [0.9, 0.6, 0.8, 0.9, 0.7, 0.9, 0.9]
    found = digits_of(probabilities)
    assert [(digit.label, digit.first, digit.last) for digit in found] == [("3", 2, 5), ("3", 8, 9), ("5", 10, 11)]
    assert [digit.probability for digit in found] == pytest.approx([0.8, 0.7, 0.9])


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A model of single digits, a damaged file, none."""
    (tmp_path / "digit.tflite").write_bytes(read_model_file(DEFAULT_MODEL).flatbuffer)
    (tmp_path / "damaged.tflite").write_bytes(LINE_MODEL.read_bytes()[:1000])
    for name in ("digit.tflite", "damaged.tflite", "none.tflite"):
        with pytest.raises(ModelFileError):
            LineModel.load(tmp_path / name)
