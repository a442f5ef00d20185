"""One cell, trained on the invented digits in this process."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert.int8 import int8_flatbuffer
from edge_runtime.errors import DataError
from edge_runtime.model.graph import read_graph
from train.config.training_config import TrainingConfig
from train.data import Dataset
from train.experiments import trial
from train.experiments.trial import TrialResult, run_trial
from train.loop import trainer
from train.loop.threads import THREAD_VARIABLES

CONFIG = TrainingConfig(
    "mlp", hidden=(8, 8), activation="tanh", epochs=2, batch_size=32, learning_rate=0.01, schedule="constant", seed=5
)


@pytest.fixture(scope="module")
def graphs() -> list[bytes]:
    """Int8 FlatBuffers of the cell's conversion."""
    return []


@pytest.fixture(scope="module")
def result(invented: Dataset, graphs: list[bytes]) -> TrialResult:
    """The trained cell."""

    def spy(model: Any, images: Any) -> bytes:
        assert (images.dtype, images.shape) == (np.uint8, (100, 28, 28))
        graphs.append(int8_flatbuffer(model, images))
        return graphs[-1]

    return run_trial(CONFIG, invented, spy)


def test_a_cell_tells_what_the_table_needs(result: TrialResult, invented: Dataset) -> None:
    """History, accuracy, size, times, and the worker."""
    assert result.config == CONFIG
    assert [epoch.epoch for epoch in result.history] == [1, 2]
    assert result.history[-1].val_accuracy == pytest.approx(result.validation.percent / 100)
    assert result.validation.total == len(invented.validation)
    assert result.parameters == 784 * 8 + 8 + 8 * 8 + 8 + 8 * 10 + 10
    assert 0 < result.seconds < result.total_seconds
    assert result.worker.endswith(f"/{os.getpid()}")
    assert set(result.versions) == {"edge-digits", "tensorflow", "keras", "numpy"}


def test_its_bytes_are_those_of_its_own_int8_version(result: TrialResult, graphs: list[bytes]) -> None:
    """Integer inputs and outputs; one byte per weight and four per bias."""
    graph = read_graph(graphs[0])
    assert (graph.inputs[0].dtype, graph.outputs[0].dtype) == ("int8", "int8")
    assert graph.payload_bytes == result.int8_bytes == 784 * 8 + 8 * 8 + 8 * 10 + 4 * (8 + 8 + 10)


@pytest.mark.slow
def test_the_same_cell_gives_the_same_figures_whatever_was_trained_before(result: TrialResult, invented: Dataset) -> None:
    """So a resumed experiment has the table of an uninterrupted one."""
    run_trial(TrainingConfig("linear", epochs=1, seed=9), invented, int8_flatbuffer)
    assert run_trial(CONFIG, invented, int8_flatbuffer).history == result.history


@pytest.mark.slow
def test_the_test_images_are_not_looked_at(result: TrialResult, invented: Dataset) -> None:
    """Noise in place of the test images changes nothing."""
    noise = np.random.default_rng(0).integers(0, 256, invented.x_test.shape, np.uint8)
    other = run_trial(CONFIG, Dataset("other", invented.x_train, invented.y_train, noise, invented.y_test[::-1]), int8_flatbuffer)
    assert (other.history, other.validation, other.int8_bytes) == (result.history, result.validation, result.int8_bytes)


@pytest.mark.slow
def test_a_worker_trains_on_its_own_mnist_if_it_is_the_right_one(
    monkeypatch: pytest.MonkeyPatch, result: TrialResult, invented: Dataset
) -> None:
    """Results on other data do not belong to the experiment."""
    trial._own_mnist.cache_clear()
    monkeypatch.setattr(trial, "load_dataset", lambda: invented)
    with pytest.raises(DataError, match="expected 00000000"):
        run_trial(CONFIG, "0" * 64, int8_flatbuffer)
    assert run_trial(CONFIG, invented.sha256, int8_flatbuffer).history == result.history
    trial._own_mnist.cache_clear()


def test_one_training_at_a_time_in_a_process(monkeypatch: pytest.MonkeyPatch, invented: Dataset) -> None:
    """One at a time, whatever the worker's number of threads, since seeds are global to the process."""
    inside: list[int] = []
    most: list[int] = []

    def fit(*_: object) -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.1)
        inside.pop()
        raise DataError("enough")

    monkeypatch.setattr(trainer, "fit", fit)

    def call() -> None:
        with pytest.raises(DataError, match="enough"):
            run_trial(CONFIG, invented, int8_flatbuffer)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


@pytest.mark.slow
def test_a_worker_computes_with_one_thread(data_file: Path) -> None:
    """Set before TensorFlow is loaded, so that workers on one machine do not compete for cores."""
    code = "\n".join(
        (
            "import os, sys",
            "from pathlib import Path",
            "from train.config.training_config import TrainingConfig",
            "from train.data import load_dataset",
            "from train.experiments.trial import run_trial",
            "from convert.int8 import int8_flatbuffer",
            "from train.loop.threads import THREAD_VARIABLES",
            "assert 'tensorflow' not in sys.modules",
            f"run_trial(TrainingConfig('linear', epochs=1), load_dataset(Path({str(data_file)!r})), int8_flatbuffer)",
            "print([os.environ[name] for name in THREAD_VARIABLES])",
        )
    )
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "3")}
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert child.stdout == "['1', '1', '1']\n"
