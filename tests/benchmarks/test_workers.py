"""Children that are measured: real ones, and such as fail."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import workers
from benchmarks.candidates import our_subject
from benchmarks.workers import OURS, Environment, SubjectSpec, Worker
from edge_runtime.classifier import Classifier
from edge_runtime.errors import DigitsError
from train.data import Dataset

LITERT = {"backend": "litert"}


@pytest.fixture
def images(tmp_path: Path, mnist: Dataset) -> Path:
    """Twenty digits as a child reads them."""
    path = tmp_path / "images.npy"
    np.save(path, mnist.x_test[:20])
    return path


def test_a_child_times_and_classifies(cnn_files: dict[str, Path], images: Path) -> None:
    """One image a call, batches, groups; and the classes are those of the classifier."""
    with Worker(OURS, [our_subject(cnn_files["int8"], 1, LITERT)], images, pinned=[min(os.sched_getaffinity(0))]) as worker:
        single, batches, groups = worker.turn(0, 0, 7), worker.turn(0, 3, 4, batch=10), worker.turn(0, 0, 3, group=5)
        assert [len(found["samples_ns"]) for found in (single, batches, groups)] == [7, 4, 3]
        assert min(batches["samples_ns"]) > min(single["samples_ns"])
        expected = Classifier.load(cnn_files["int8"]).classify_batch(np.load(images)).indices.tolist()
        assert worker.classes(0, images) == expected
        assert os.sched_getaffinity(worker.process_id) == {min(os.sched_getaffinity(0))}


def test_a_child_that_cannot_load_says_why(images: Path, tmp_path: Path) -> None:
    """With its last words."""
    with pytest.raises(DigitsError, match=r"edge-digits: the process that was measured ended .*gone.*cannot be read"):
        Worker(OURS, [our_subject(tmp_path / "gone.tflite", 1, LITERT)], images)


SUBJECT = """
import os, sys, time
from benchmarks.subjects import Subject
DISTRIBUTIONS = ()
def prepare(options): print("chatter on standard output")
def load(model, threads, options):
    def one(image):
        if os.path.exists(options["flag"]):
            {act}
    return Subject(one, one)
"""


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("os.abort()", "ended"),
        ("raise RuntimeError('of its own')", r"ended \(RuntimeError: of its own\)"),
        ("time.sleep(60)", "did not answer for 1 s"),
    ],
)
def test_a_child_that_fails_while_it_is_measured(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, message: str
) -> None:
    """A crash, an error or a hang ends the child, not this process; what a package prints does not get between the answers."""
    (tmp_path / "invented.py").write_text(SUBJECT.format(act=act))
    environment = Environment("theirs", sys.executable, os.pathsep.join([OURS.path, str(tmp_path)]))
    flag = tmp_path / "flag"
    with Worker(environment, [SubjectSpec("invented", "", 1, {"flag": str(flag)})], images) as worker:
        assert len(worker.turn(0, 0, 5)["samples_ns"]) == 5
        flag.touch()
        monkeypatch.setattr(workers, "_LONGEST_ANSWER_S", 1)
        with pytest.raises(DigitsError, match=f"^theirs: the process that was measured {message}"):
            worker.turn(0, 0, 5)
