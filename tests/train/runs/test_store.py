"""The folder of a run: the record's content, no unintended overwriting, and damaged records."""

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.common.json_codec import to_json
from edge_runtime.errors import DataError, DigitsError, WouldOverwrite
from edge_runtime.version import __version__
from tests.train.conftest import RECIPE, Run
from train.backend import keras
from train.config.training_config import TrainingConfig
from train.data import Dataset, calibration_indices
from train.model.architectures import predict_logits
from train.runs.store import read_record, refuse_taken_run


def _json(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run.folder / "training.json").read_text())
    return content


def test_the_record_says_how_the_model_came_about(linear_run: Run, invented: Dataset) -> None:
    """Config, size, data hash, versions, one entry per epoch, seconds."""
    record = _json(linear_run)
    assert record["config"] == {**dataclasses.asdict(TrainingConfig("linear", epochs=2, seed=3)), "hidden": [], "convolutions": []}
    assert (record["parameters"], record["classes"], record["train_images"]) == (7_850, 10, 550)
    assert (record["data_source"], record["data_sha256"]) == ("invented.npz", invented.sha256)
    packages = {name: version(name) for name in ("tensorflow", "keras", "numpy")}
    assert record["versions"] == {"edge-digits": __version__, **packages}
    assert [epoch["epoch"] for epoch in record["history"]] == [1, 2]
    assert record["stray_batches"] == 0
    assert read_record(linear_run.folder / "training.json").complete
    assert record["seconds"] > 0


def test_the_record_lists_the_calibration_images(linear_run: Run, invented: Dataset) -> None:
    """By index into the training split, so that a later conversion uses the same images."""
    assert _json(linear_run)["calibration_indices"] == calibration_indices(invented.train.labels).tolist()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_recorded_accuracies_are_those_of_the_saved_model(linear_run: Run, invented: Dataset, split: str) -> None:
    """Recomputed with the saved model."""
    images = getattr(invented, split)
    model = keras.saving.load_model(linear_run.folder / "model.keras")
    correct = int(np.sum(predict_logits(model, images.images).argmax(axis=1) == images.labels))
    recorded = _json(linear_run)[split]
    assert (recorded["correct"], recorded["total"]) == (correct, len(images))
    assert recorded["interval"][0] < 100 * correct / len(images) < recorded["interval"][1]


def test_no_file_of_a_run_knows_a_path_of_this_machine(linear_run: Run) -> None:
    """Neither the folder of the data nor that of the run is recorded."""
    text = (linear_run.folder / "training.json").read_text()
    assert "/" not in text
    assert str(Path.home()) not in text


def test_the_record_reads_back_as_it_was_written(linear_run: Run) -> None:
    """Reading and writing gives the same text."""
    path = linear_run.folder / "training.json"
    assert to_json(read_record(path), indent=2) + "\n" == path.read_text()


@pytest.mark.slow
def test_a_record_with_every_switch_on_reads_back(whole_run: Run) -> None:
    """Convolutions and augmentation are recorded as given."""
    assert read_record(whole_run.folder / "training.json").config == RECIPE


def _without(name: str) -> Any:
    return lambda record: {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("seconds"), "missing field 'seconds'"),
        (lambda record: {**record, "speed": 1}, "unknown field 'speed'"),
        (lambda record: {**record, "parameters": "many"}, "field 'parameters' is \"many\", expected a whole number"),
        (lambda record: {**record, "history": [{"epoch": 1}]}, r"missing field 'history\[0\]\.accuracy'"),
        (
            lambda record: {**record, "config": {**record["config"], "model": "rnn"}},
            "unknown model 'rnn'; known are linear, mlp, cnn, tutorial",
        ),
        (lambda _: [], "expected an object"),
    ],
)
def test_a_record_with_a_wrong_field_names_it(linear_run: Run, tmp_path: Path, change: Any, message: str) -> None:
    """With the name of the file."""
    path = tmp_path / "training.json"
    path.write_text(json.dumps(change(_json(linear_run))))
    with pytest.raises(DataError, match=f"^{path}: .*{message}"):
        read_record(path)


@pytest.mark.parametrize(
    ("content", "message"), [(b'{"config": ', "is not valid JSON"), (b"\xff\xfe", "can't decode"), (None, "cannot be read")]
)
def test_a_record_that_cannot_be_read_is_a_data_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Truncated, not text, missing."""
    path = tmp_path / "training.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{path}: .*{message}"):
        read_record(path)


@pytest.mark.parametrize("name", ["model.keras", "training.json", "curves.png"])
def test_any_file_of_a_run_keeps_its_folder_taken(tmp_path: Path, name: str) -> None:
    """Unless --force is given."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(WouldOverwrite, match=f"{name} exists already; give --force"):
        refuse_taken_run(tmp_path, force=False)
    refuse_taken_run(tmp_path, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_way_is_told_before_training(tmp_path: Path, force: bool) -> None:
    """Neither a run nor a folder above it can be created where a file is."""
    (tmp_path / "notes").write_text("mine")
    for folder in (tmp_path / "notes", tmp_path / "notes" / "deep" / "run"):
        with pytest.raises(DigitsError, match="notes is not a writable folder"):
            refuse_taken_run(folder, force)
