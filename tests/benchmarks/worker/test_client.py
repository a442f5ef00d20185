"""Worker processes: real ones, and ones that fail."""

import os
import select
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.runner.cases import our_backend
from benchmarks.worker import client
from benchmarks.worker.client import OURS, Environment, Worker
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.errors import DigitsError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.model.model_file import MODELS
from tests.benchmarks.planting import COST, planted, planted_spec
from tests.conftest import ROOT
from train.data import Dataset

LITERT = {"backend": "litert"}


@pytest.fixture
def images(tmp_path: Path, mnist: Dataset) -> Path:
    """Twenty digits in a file for a worker."""
    path = tmp_path / "images.npy"
    np.save(path, mnist.x_test[:20])
    return path


def test_a_worker_times_and_classifies(cnn_files: dict[str, Path], images: Path) -> None:
    """Single images, batches and groups have their known durations, and the classes are those of the classifier."""
    spec = planted_spec(our_backend(cnn_files["int8"], 1, LITERT), {cnn_files["int8"].name: 50_000})
    environment, processor = planted(OURS, f"invented=1,{COST}"), min(os.sched_getaffinity(0))
    with Worker(environment, [spec], images, pinned=[processor]) as worker:
        (backend,) = worker.backends
        single, batches, groups = backend.time_calls(0, 7), backend.time_calls(3, 4, batch=10), backend.time_calls(0, 3, group=5)
        assert [len(found.samples_ns) for found in (single, batches, groups)] == [7, 4, 3]
        for found, taken in ((single, 50_000), (batches, 500_000), (groups, 250_000)):
            assert {abs(sample - taken - COST) for sample in found.samples_ns} <= {0, 1}
        expected = Classifier.load(cnn_files["int8"]).classify_batch(np.load(images)).indices.tolist()
        assert backend.classify(images) == expected
        assert os.sched_getaffinity(worker.process_id) == {processor}


def test_a_worker_that_cannot_load_reports_why(images: Path, tmp_path: Path) -> None:
    """With the last line of its errors."""
    with pytest.raises(DigitsError, match=r"edge-digits: the worker process ended .*gone.*cannot be read"):
        Worker(OURS, [our_backend(tmp_path / "gone.tflite", 1, LITERT)], images)


def test_sustained_load_may_take_longer_than_a_reply(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twelfth of two hours is ten minutes; the limit of a reply comes on top of what was asked for."""
    spec = planted_spec(our_backend(MODELS / "nano-int8.tflite", 1, LITERT), {"nano-int8.tflite": 1_000_000})
    with Worker(planted(OURS, f"invented=1,{COST}"), [spec], images) as worker:
        waited: list[float] = []
        wait = select.select
        monkeypatch.setattr(client.select, "select", lambda *found: (waited.append(found[3]), wait(*found))[1])
        worker.backends[0].sustain(20)
        worker.backends[0].time_calls(0, 5)
        assert waited == [320, 300]


def test_workers_find_packages_where_this_process_does() -> None:
    """What PYTHONPATH names stays on it, behind a checkout: an interpreter may stand in a folder of its own."""
    code = "from benchmarks.worker.client import OURS; print(OURS.variables()['PYTHONPATH'])"
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}/opt/site"}
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)
    assert child.stdout.strip().split(os.pathsep)[-1] == "/opt/site"


BACKEND = """
import os, sys, time
from benchmarks.backends import LoadedModel
DISTRIBUTIONS = ()
def prepare(options): print("text on standard output")
def load(model, threads, options):
    def one(image):
        if os.path.exists(options["flag"]):
            {act}
    return LoadedModel(one, one)
"""


@pytest.mark.parametrize(
    ("act", "longest", "message"),
    [
        ("os.abort()", 300, "ended"),
        ("raise RuntimeError('of its own')", 300, r"ended \(RuntimeError: of its own\)"),
        ("time.sleep(600)", 1, "did not reply within 1 s"),
    ],
)
def test_a_worker_that_fails_in_a_turn(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, longest: int, message: str
) -> None:
    """A crash, an error or a hang ends the worker, not this process; what a package prints does not disturb replies."""
    (tmp_path / "invented.py").write_text(BACKEND.format(act=act))
    environment = Environment("theirs", sys.executable, os.pathsep.join([OURS.path, str(tmp_path)]))
    flag = tmp_path / "flag"
    with Worker(environment, [BackendSpec("invented", "", 1, {"flag": str(flag)})], images) as worker:
        assert len(worker.backends[0].time_calls(0, 5).samples_ns) == 5
        flag.touch()
        monkeypatch.setattr(client, "_REPLY_TIMEOUT_S", longest)
        with pytest.raises(DigitsError, match=f"^theirs: the worker process {message}"):
            worker.backends[0].time_calls(0, 5)
