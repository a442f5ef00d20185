"""Calibration images: their choice, files, warnings, and a gate failure caused by them."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from convert.quantization.calibration import CalibrationSettings, calibration_warnings, choose_calibration
from convert.quantization.recipes import RECIPES
from edge_runtime.errors import BadArgument, DataError
from edge_runtime.model.model_file import read_model_file
from tests.commands import digits
from tests.samples import arrays_of, write_npz
from tools.studies.conversion import calibration
from train.data import Dataset, calibration_indices


def test_as_many_of_each_class_as_asked_for(mnist_slice: Dataset) -> None:
    """The choice is deterministic; 50 of each class by default."""
    train = mnist_slice.train
    for wish, count in ((None, 50), (7, 7)):
        found = choose_calibration(CalibrationSettings(per_class=wish), train, None)
        assert np.bincount(train.labels[list(found.indices)]).tolist() == [count] * 10
        assert np.array_equal(found.images, train.images[list(found.indices)])
        assert found.indices == tuple(calibration_indices(train.labels, count).tolist())
        assert (found.facts["images"], len(found.facts["indices_sha256"])) == (10 * count, 64)


@pytest.mark.parametrize("count", [0, -1])
def test_too_few_are_refused(count: int, mnist_slice: Dataset) -> None:
    """A class without images is an error."""
    with pytest.raises(BadArgument, match="expected 1 or more"):
        choose_calibration(CalibrationSettings(per_class=count), mnist_slice.train, None)


def test_images_of_a_file(tmp_path: Path, mnist_slice: Dataset) -> None:
    """With or without a last axis of one; without indices, the pixels are hashed."""
    path = tmp_path / "mine.npy"
    for images in (mnist_slice.x_test[:30], mnist_slice.x_test[:30, :, :, np.newaxis]):
        np.save(path, images)
        found = choose_calibration(CalibrationSettings(images=path), mnist_slice.train, None)
        assert np.array_equal(found.images, mnist_slice.x_test[:30])
        assert found.facts == {"images": 30, "pixels_sha256": found.facts["pixels_sha256"]}


def _pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"no array"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(pickle.dumps([1])),
        _pickled,
        lambda path: np.save(path, np.zeros((3, 28, 28), np.float32)),
        lambda path: np.save(path, np.zeros((3, 28, 27), np.uint8)),
        lambda path: np.save(path, np.zeros((0, 28, 28), np.uint8)),
        lambda path: np.save(path, np.uint8(3)),
        lambda path: None,
    ],
)
def test_a_file_that_holds_no_images_is_refused(write, tmp_path: Path, mnist_slice: Dataset) -> None:
    """The error names the file; pickles are not loaded."""
    path = tmp_path / "mine.npy"
    write(path)
    with pytest.raises(DataError, match=r"mine\.npy"):
        choose_calibration(CalibrationSettings(images=path), mnist_slice.train, None)


def test_a_count_and_a_file_are_one_too_many() -> None:
    """A number and a file exclude each other."""
    with pytest.raises(BadArgument, match="not both"):
        CalibrationSettings(per_class=5, images=Path("x.npy"))


def test_real_digits_look_alike(mnist: Dataset) -> None:
    """No false alarm in 60 draws of any size, test digits by other writers included."""
    for seed in range(20):
        for count in (1, 5, 50):
            assert (
                calibration_warnings(mnist.train.images[calibration_indices(mnist.train.labels, count, seed)], mnist.train.images)
                == []
            )
    assert calibration_warnings(mnist.x_test, mnist.train.images) == []


def test_other_images_do_not(mnist_slice: Dataset) -> None:
    """Dark ink on light ground, noise, blank images, faint ink and low contrast are described with figures."""
    train = mnist_slice.train.images
    noise = np.random.RandomState(0).randint(0, 256, (100, 28, 28)).astype(np.uint8)
    for images, what in (
        (255 - train[:100], "mean grey level"),
        (noise, "mean grey level"),
        (np.zeros((20, 28, 28), np.uint8), "brightest pixel"),
        (train[:100] // 2, "brightest pixel"),
        (train[:100].clip(40), "darkest pixel"),
    ):
        assert any(what in line for line in calibration_warnings(images, train)), what


@pytest.mark.slow
def test_a_model_calibrated_on_blank_sheets_fails_the_gate(
    trained_cnn: Path, mnist_slice: Dataset, tmp_path: Path, in_this_process: None
) -> None:
    """Numbers first, then exit 3; a warning says that the images differ, and the page how."""
    np.save(tmp_path / "blank.npy", np.zeros((20, 28, 28), np.uint8))
    data = write_npz(tmp_path / "slice.npz", arrays_of(mnist_slice))
    words = ["convert", trained_cnn, "--data", data, "--recipe", "int8", "--out", tmp_path / "out", "--max-drop", "2"]
    answer = digits(*words, "--calibration-images", tmp_path / "blank.npy")
    assert answer.code == 3
    assert "FAILED" in answer.out
    assert "warning: calibration images differ from training images: 1 file (int8)" in answer.out
    page = (tmp_path / "out" / "cnn-conversion.html").read_text()
    assert "int8: the mean grey level of calibration images is 0.0 on average" in page
    assert "the gate refused 1 of 1" in answer.err
    assert digits(*words, "--calibration-count", "20").code == 0
    manifest = read_model_file(tmp_path / "out" / "cnn-int8.tflite").manifest
    assert manifest is not None
    assert manifest.origin.calibration["images"] == 200
    assert "--calibration-count 20" in manifest.origin.command


@pytest.mark.slow
def test_the_study_shows_what_more_images_change(trained_cnn: Path, mnist_slice: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each method, number and seed once; a table with the minimum and maximum over seeds."""
    monkeypatch.setattr(calibration, "PER_CLASS", (1, 20))
    monkeypatch.setattr(calibration, "SEEDS", (0, 1))
    trials = calibration.study_calibration(trained_cnn, mnist_slice, [RECIPES["int8"]])
    keys = {(trial.method, trial.images, trial.seed) for trial in trials}
    assert keys == {(method, images, seed) for method in ("min-max", "moving-average") for images in (10, 200) for seed in (0, 1)}
    assert len(trials) == len(keys)
    assert all(trial.total == 500 and trial.agreeing >= 485 for trial in trials)
    lines = calibration.study_table(trials).splitlines()
    assert lines[0].split()[:3] == ["recipe", "method", "images"]
    assert [line.split()[:3] for line in lines[1:3]] == [["int8", "min-max", "10"], ["int8", "moving-average", "10"]]
