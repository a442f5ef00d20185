"""Accuracies where no data set is at hand, golden images and photos: what is stated, and what is not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results.results import GoldenCheck
from benchmarks.runner import config, optional_measurements, session
from benchmarks.runner.accuracy import stated_accuracy
from benchmarks.runner.cases import our_cases
from benchmarks.runner.config import Settings
from benchmarks.runner.optional_measurements import OptionalMeasurements
from benchmarks.runner.session import run
from benchmarks.worker.protocol import GoldenOutcome, Samples
from edge_runtime.common.json_codec import from_json, to_json
from edge_runtime.errors import DigitsError
from edge_runtime.inference.interpreter import BACKENDS
from edge_runtime.model.model_file import MODELS, read_model_file
from train.data.dataset import MNIST_SHA256

NANO, SMALL = (MODELS / f"{name}-int8.tflite" for name in ("nano", "small"))
CONFIRMED = GoldenOutcome(16, 16, passed=True)


class Pool:
    """A pool whose backends give these golden outcomes, and 3 ms a photo; a backend without an outcome dies."""

    def __init__(self, *outcomes: GoldenOutcome | None) -> None:
        self.cases = our_cases([NANO, SMALL][: len(outcomes)], BACKENDS["litert"], 1)
        self.outcomes, self.process_ids, self.restarted = dict(zip(self.cases, outcomes, strict=True)), [], 0

    def backend(self, case: Any) -> Any:
        """Itself, for that case."""
        self.case = case
        return self

    def golden(self) -> GoldenOutcome:
        """The outcome."""
        if found := self.outcomes[self.case]:
            return found
        raise DigitsError("it died")

    def time_photos(self, photo: Path, samples: int) -> Samples:
        """So many samples."""
        self.golden()
        return Samples(1, [3_000_000] * samples, 1)

    def restart(self, case: object, *, without: bool) -> None:
        """Count."""
        self.restarted += 1


def _measure(pool: Pool, processes: int = 1) -> OptionalMeasurements:
    found = OptionalMeasurements(Settings("board"), None, Path("/"), None)
    for process in range(processes):
        found.time_photos(pool, pool.cases, process, 50)
    found.run(pool, pool.cases, processes - 1, lambda _: None)
    return found


def test_without_data_the_manifests_accuracy_is_stated() -> None:
    """That of the test images, since the golden images come out here as they did at conversion."""
    found = _measure(pool := Pool(CONFIRMED, CONFIRMED))
    manifests = [read_model_file(path).manifest for path in (NANO, SMALL)]
    assert list(found.accuracies.values()) == [manifest.accuracy[1].candidate for manifest in manifests if manifest]
    assert [(accuracy.correct, accuracy.total) for accuracy in found.accuracies.values()] == [(9_942, 10_000), (9_951, 10_000)]
    assert list(found.golden.values()) == [GoldenCheck(16, 16, passed=True)] * 2
    assert (found.absent, pool.restarted) == ([], 0)


@pytest.mark.parametrize("equal", [13, 16])
def test_what_golden_images_refute_is_not_stated(equal: int) -> None:
    """Other labels, or outputs out of tolerance: a line says what looks closer."""
    found = _measure(pool := Pool(GoldenOutcome(equal, 16, passed=False), CONFIRMED))
    assert [case.model.name for case in found.accuracies] == ["small"]
    why = "the manifest's does not hold here, since golden images differ; run digits verify"
    assert found.absent == [f"accuracy of nano int8 by Classifier.classify: {why}"]
    assert found.golden[pool.cases[0]] == GoldenCheck(equal, 16, passed=False)


def test_accuracies_of_other_images_are_not_stated_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the first model's are; nobody may take the others for the same."""
    monkeypatch.setattr(optional_measurements, "images_of", lambda case: case.model.name)
    monkeypatch.setattr(optional_measurements, "stated_images", lambda cases: "small")
    found = _measure(Pool(CONFIRMED, CONFIRMED))
    assert [case.model.name for case in found.accuracies] == ["small"]
    why = "its manifest states it for other images than the first model's; give --data"
    assert found.absent == [f"accuracy of nano int8 by Classifier.classify: {why}"]


def test_a_plain_file_states_nothing() -> None:
    """No manifest, no accuracy; nor has another package's interpreter the accuracy of ours."""
    (case,) = our_cases([NANO], BACKENDS["litert"], 1)
    assert stated_accuracy(case)
    assert stated_accuracy(replace(case, way="tf.lite")) is None
    assert stated_accuracy(replace(case, model=replace(case.model, manifest=None))) is None


def test_what_fails_is_a_line_and_is_not_tried_again() -> None:
    """Golden images and photos of one model; the other has its three photos in each process."""
    found = _measure(pool := Pool(None, CONFIRMED), processes=2)
    assert found.absent == [f"{what} of nano int8 by Classifier.classify: it died" for what in ("photos", "golden images")]
    assert pool.restarted == 2
    ((case, turns),) = found.photos.items()
    assert (case.model.name, [(turn.process, turn.samples_ns) for turn in turns]) == (
        "small",
        [(process, (3_000_000,) * 3) for process in range(2)],
    )


def test_photos_can_be_left_out() -> None:
    """As `digits pipeline` does, whose eighteen files would take a minute."""
    found = OptionalMeasurements(Settings("board", photos=False), None, Path("/"), None)
    found.time_photos(pool := Pool(None), pool.cases, 0, 50)
    assert (found.photos, found.absent) == ({}, [])


def test_a_real_run_without_data_says_where_accuracies_are_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the file too: stated, confirmed by 16 golden images, and photos timed in each process."""
    monkeypatch.setattr(config, "_COLD_STARTS", 1)
    monkeypatch.setattr(session, "_LOOK_S", 0.01)
    result = run([NANO], Settings("board", samples=2, starts=2), None)
    (model,) = result.models
    assert (result.split, result.data_sha256, result.absent) == ("test", MNIST_SHA256, ())
    assert (model.accuracy_stated, model.golden) == (True, GoldenCheck(16, 16, passed=True))
    assert model.accuracy
    assert model.accuracy.correct == 9_942
    assert [(turn.process, len(turn.samples_ns)) for turn in model.photo] == [(0, 1), (1, 1)]
    assert (len(result.photo_sha256), result.reference.photo, result.reference.golden) == (64, (), None)
    assert from_json(type(result), to_json(result)) == result
