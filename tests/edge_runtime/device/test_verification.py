"""Golden images: they pass where the model does what it did, and fail where it does not."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edge_runtime.cli import main
from edge_runtime.common.json_codec import to_json
from edge_runtime.device.verification import verify
from edge_runtime.inference.classifier import BATCH, Classifications, Classifier
from edge_runtime.inference.runner import Runner
from edge_runtime.model.archive import pack, unpack
from edge_runtime.model.model_file import DEFAULT_MODEL, parse_model_file
from edge_runtime.reading import line_record
from tests.commands import digits, one_line

DATA = DEFAULT_MODEL.read_bytes()
OFFSET, ENTRIES = unpack(DATA)


def _with_golden(**changes: np.ndarray) -> bytes:
    """The shipped model with other golden arrays."""
    with np.load(io.BytesIO(ENTRIES["golden.npz"])) as arrays:
        golden = {**arrays, **changes}
    stream = io.BytesIO()
    np.savez_compressed(stream, **golden)
    return DATA[:OFFSET] + pack(OFFSET, {**ENTRIES, "golden.npz": stream.getvalue()})


GOLDEN = parse_model_file(DATA).golden()


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "dynamic", "int8", "int16x8"])
def test_every_recipe_passes_where_it_was_made(recipe: str, cnn_files: dict[str, Path]) -> None:
    """Without any difference on the same machine."""
    receipt = verify(Classifier.load(cnn_files[recipe]))
    assert receipt.passed
    assert (receipt.images, receipt.labels_equal) == (16, 16)
    assert receipt.largest_difference <= (0 if "int" in recipe else receipt.tolerance.amount)


@pytest.mark.parametrize(("steps", "passed"), [(1, True), (-2, True), (3, False)])
def test_outputs_within_the_tolerance_pass(steps: int, passed: bool) -> None:
    """Two output steps off are what another interpreter may give; three are not."""
    shifted = (GOLDEN.outputs.astype(int) + steps).clip(-128, 127).astype(np.int8)
    receipt = verify(Classifier(parse_model_file(_with_golden(outputs=shifted))))
    assert (receipt.passed, receipt.labels_equal, receipt.largest_difference) == (passed, 16, abs(steps))


def test_a_fault_of_the_batch_interpreter_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though single images come out right: the images are repeated until they fill a batch."""
    run, calls = Runner.run, []

    def faulty(self: Runner, images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        outputs = run(self, images)
        outputs[-1] = np.roll(outputs[-1], 1)
        return outputs

    monkeypatch.setattr(Runner, "run", faulty)
    receipt = verify(Classifier.load())
    assert (receipt.passed, receipt.labels_equal) == (False, 14)  # the last of each of two calls
    assert max(calls) == BATCH


def test_another_label_fails() -> None:
    """However close the outputs are, the label must be the recorded one."""
    outputs = GOLDEN.outputs.copy()
    outputs[3] = np.roll(outputs[3], 1)
    receipt = verify(Classifier(parse_model_file(_with_golden(outputs=outputs))))
    assert (receipt.passed, receipt.labels_equal) == (False, 15)


def test_outputs_that_are_no_numbers_fail_with_a_receipt(cnn_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that answers NaN does not pass, and the receipt can be written."""
    classifier = Classifier.load(cnn_files["fp32"])
    run = classifier.classify_batch

    def broken(images: np.ndarray) -> Classifications:
        answers = run(images)
        return replace(answers, outputs=np.full_like(answers.outputs, np.nan))

    monkeypatch.setattr(classifier, "classify_batch", broken)
    receipt = verify(classifier)
    assert (receipt.passed, receipt.largest_difference) == (False, None)
    assert '"largest_difference":null' in to_json(receipt)


def test_golden_images_are_well_apart_and_of_all_classes() -> None:
    """Their top two outputs are at least three steps apart, and every class is among them."""
    top = np.sort(GOLDEN.outputs.astype(int), axis=1)
    assert (top[:, -1] - top[:, -2]).min() >= 3
    assert set(GOLDEN.labels) == set(range(10))
    assert np.array_equal(GOLDEN.float_logits.argmax(1), GOLDEN.labels)


def test_the_command_writes_a_receipt(tmp_path: Path) -> None:
    """The same JSON on stdout and in the file, with hash, runtime and verdict; exit 0."""
    path = tmp_path / "receipt.json"
    result = CliRunner().invoke(main, ["verify", "--json", "--receipt", str(path)])
    assert result.exit_code == 0
    receipt = json.loads(result.stdout)
    assert receipt == json.loads(path.read_text())
    assert receipt["passed"] is True
    assert receipt["runtime"].startswith("ai-edge-litert ")
    assert len(receipt["sha256"]) == 64
    again = CliRunner().invoke(main, ["verify", "--receipt", str(path)])
    assert (again.exit_code, "--force" in again.stderr) == (1, True)


def test_a_failed_verification_is_exit_1(tmp_path: Path) -> None:
    """The numbers are printed first."""
    path = tmp_path / "other.tflite"
    path.write_bytes(_with_golden(outputs=np.zeros_like(GOLDEN.outputs)))
    result = CliRunner().invoke(main, ["verify", str(path)])
    assert result.exit_code == 1
    assert result.stdout.startswith("FAILED: small on ai-edge-litert")
    assert result.stderr.startswith("digits: small on ai-edge-litert")


@pytest.mark.parametrize(
    "arrays", [{"outputs": np.zeros((16, 9), np.int8)}, {"images": np.zeros((0, 28, 28), np.uint8)}, {"more": np.zeros(1)}]
)
def test_golden_arrays_of_a_wrong_form_are_exit_4(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Shapes and dtypes are checked before anything is compared."""
    path = tmp_path / "other.tflite"
    path.write_bytes(_with_golden(**arrays))
    result = CliRunner().invoke(main, ["verify", str(path)])
    assert (result.exit_code, result.stdout) == (4, "")
    assert "golden.npz" in result.stderr


def test_a_plain_tflite_has_nothing_to_verify(tmp_path: Path) -> None:
    """Exit 4, and how to get a file that has."""
    path = tmp_path / "plain.tflite"
    path.write_bytes(DATA[:OFFSET])
    result = CliRunner().invoke(main, ["verify", str(path)])
    assert result.exit_code == 4
    assert "digits convert" in result.stderr


def test_the_line_model_is_verified_by_its_golden_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """As text and as JSON; exit code 1 if a line is read otherwise; it has no receipts."""
    assert digits("verify", "lines").out.startswith("lines: 4 of 4 golden lines are read as recorded, by ")
    found = json.loads(digits("verify", "lines", "--json").out)
    assert (found["model"], found["lines"], found["equal"], found["passed"]) == ("lines", 4, 4, True)
    assert "no receipts" in one_line(digits("verify", "lines", "--receipt", "receipt.json"), 2)
    monkeypatch.setattr(line_record, "TOLERANCE", -1)
    failed = digits("verify", "lines")
    assert (failed.code, failed.err.startswith("digits: ")) == (1, True)
    assert "0 of 4" in failed.err
