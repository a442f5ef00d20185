"""One cell of a grid: what a worker is asked to do, and what it answers. Also what its file in the experiment's folder holds."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.intervals import Accuracy
from edge_runtime.errors import DataError
from edge_runtime.model.graph import read_graph
from train.config.training_config import TrainingConfig
from train.data import Dataset, calibration_indices, load_dataset
from train.loop.threads import limit_threads, one_training
from train.runs.store import Epoch

# A Keras model and uint8 [N, 28, 28] images to calibrate with, to the FlatBuffer of its int8 version.
ToInt8 = Callable[[Any, NDArray[np.uint8]], bytes]

_CALIBRATION_PER_CLASS = 10  # enough for the size, which is all that is asked


@dataclass(frozen=True)
class TrialResult:
    """What came out of one training; accuracies are of validation images.

    seconds: of training alone.
    total_seconds: of the whole task, with loading and converting.
    int8_bytes: payload of the int8 FlatBuffer of this very model.
    worker: host and process that did it.
    versions: of the packages that the weights depend on.
    """

    config: TrainingConfig
    parameters: int
    history: tuple[Epoch, ...]
    validation: Accuracy
    seconds: float
    total_seconds: float
    int8_bytes: int
    worker: str
    versions: dict[str, str]

    def __post_init__(self) -> None:
        if len(self.history) != self.config.epochs:
            raise ValueError(f"{len(self.history)} epochs of {self.config.epochs}")


def run_trial(config: TrainingConfig, data: Dataset | str, to_int8: ToInt8) -> TrialResult:
    """Train one cell on a worker, with one thread; one at a time in a process.

    Args:
        config: what to train.
        data: or the hash that the worker's own MNIST must have.
        to_int8: convert's part, which this package may not import; it must be importable by its name.

    Raises:
        DataError: the worker's MNIST is another one.
        DigitsError: the training or the conversion failed.
    """
    with one_training:
        started = time.perf_counter()
        limit_threads(1)
        from train.backend import keras
        from train.loop.trainer import fit

        dataset = _own_mnist(data) if isinstance(data, str) else data
        trained = fit(config, dataset)
        train = dataset.train
        images = train.images[calibration_indices(train.labels, _CALIBRATION_PER_CLASS)]
        int8_bytes = read_graph(to_int8(trained.model, images)).payload_bytes
        keras.backend.clear_session()  # or graphs of all cells stay in memory
        return TrialResult(
            config=config,
            parameters=trained.record.parameters,
            history=trained.record.history,
            validation=trained.record.validation,
            seconds=trained.record.seconds,
            total_seconds=time.perf_counter() - started,
            int8_bytes=int8_bytes,
            worker=f"{platform.node()}/{os.getpid()}",
            versions=trained.record.versions,
        )


@cache
def _own_mnist(sha256: str) -> Dataset:
    dataset = load_dataset()
    if dataset.sha256 != sha256:
        raise DataError(
            f"MNIST on {platform.node()} has sha256 {dataset.sha256[:16]}, expected {sha256[:16]}; install the same files"
        )
    return dataset
