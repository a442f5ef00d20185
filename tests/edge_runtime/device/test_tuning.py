"""Threads and batch sizes: chosen by time, remembered for this device alone; and streams."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import Classifier
from edge_runtime.device import tuning
from edge_runtime.device.system import cores
from edge_runtime.device.tuning import Timing, load_tuning, save_tuning, tune
from edge_runtime.device.tuning_folder import saved_tuning
from edge_runtime.errors import BadArgument, ImageError
from edge_runtime.inference.interpreter import BACKENDS
from edge_runtime.model.model_file import read_model_file
from tests.commands import digits, one_line
from train.data import Dataset

LITERT = BACKENDS["litert"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, and few ways to time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tuning, "ROUNDS", 2)
    monkeypatch.setattr(tuning, "BATCHES", (1, 50))
    return tmp_path / "edge-digits"


def test_the_command_remembers_what_it_found(cache: Path) -> None:
    """One file, which is found again for this model and runtime, and not for another model."""
    answer = digits("tune", "--model", "nano", "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert len(list(cache.iterdir())) == 1
    known = load_tuning(read_model_file(Path("nano")), LITERT)
    assert known is not None
    assert (known.threads, known.batch_threads, known.batch) == (found["threads"], found["batch_threads"], found["batch"])
    assert {(timing.threads, timing.batch) for timing in known.timings} == {
        (threads, batch) for threads in tuning._thread_counts(cores()) for batch in (0, 1, 50)
    }
    assert load_tuning(read_model_file(None), LITERT) is None
    assert "saved in" in digits("tune", "--model", "nano").out


def test_what_is_remembered_is_of_this_device(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another processor, a damaged file, nonsense in it: nothing is remembered."""
    model = read_model_file(Path("nano"))
    path = save_tuning(tune(model, LITERT))
    content = path.read_text()
    assert load_tuning(model, LITERT) is not None
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "device", lambda: "another one")
        assert load_tuning(model, LITERT) is None
    wrong_counts = [re.sub(f'"{name}": [0-9]+', f'"{name}": 0', content) for name in ("threads", "batch_threads")]
    for damaged in (content[:50], *wrong_counts, content.replace(model.sha256, "0" * 64), "[]"):
        assert damaged != content
        path.write_text(damaged)
        assert load_tuning(model, LITERT) is None, damaged[:80]


def test_without_a_home_folder_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service of systemd may have none: models are loaded as on a device that was never tuned."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert saved_tuning(read_model_file(), LITERT) is None


@pytest.mark.parametrize(
    ("timings", "best"),
    [
        ([Timing(1, 50, 100), Timing(2, 50, 60)], (2, 50)),
        ([Timing(1, 50, 100), Timing(2, 50, 98)], (1, 50)),
        ([Timing(2, 200, 60), Timing(2, 10, 61), Timing(2, 1, 70)], (2, 10)),
    ],
)
def test_no_more_threads_than_are_worth_it(timings: list[Timing], best: tuple[int, int]) -> None:
    """Three hundredths of the time are not worth another thread, nor a larger batch."""
    found = tuning._best(timings)
    assert (found.threads, found.batch) == best


def test_a_plain_model_cannot_be_tuned(tmp_path: Path) -> None:
    """It runs in a child process, one image at a time."""
    path = tmp_path / "plain.tflite"
    path.write_bytes(read_model_file(None).flatbuffer)
    assert "cannot be tuned" in one_line(digits("tune", "--model", path), 4)


@settings(max_examples=20)
@given(count=st.integers(0, 130), threads=st.integers(1, 3), batch=st.integers(1, 60))
def test_a_stream_answers_in_order(count: int, threads: int, batch: int, mnist: Dataset) -> None:
    """Each image once, as a batch would be answered, whatever the batch size; images are asked for only as they are needed."""
    images, asked = mnist.x_test[:count], []
    classifier = Classifier.load("nano", threads, batch=batch)
    answers = []
    for answer in classifier.classify_stream(asked.append(number) or image for number, image in enumerate(images)):
        answers.append(answer.index)
        assert len(asked) - len(answers) < (threads + 1) * batch
    assert answers == classifier.classify_batch(images).indices.tolist()
    assert len(asked) == count


def test_a_stream_refuses_what_is_no_image() -> None:
    """At the image, with its shape."""
    with pytest.raises(ImageError, match="expected an image"):
        list(Classifier.load("nano").classify_stream([np.zeros((28, 28), np.uint8), np.zeros((1, 2), np.uint8)]))


def test_a_plain_model_streams_too(tmp_path: Path, mnist: Dataset) -> None:
    """In its child process."""
    path = tmp_path / "plain.tflite"
    path.write_bytes(read_model_file(None).flatbuffer)
    answers = [answer.index for answer in Classifier.load(path).classify_stream(iter(mnist.x_test[:5]))]
    assert answers == [7, 2, 1, 0, 4]


def test_a_batch_below_one_is_refused() -> None:
    """It names the value."""
    with pytest.raises(BadArgument, match="batch is 0"):
        Classifier.load("nano", batch=0)
