"""One cell of a grid: training and conversion on a worker, and the result, which is also the content of the cell's file."""

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

# Converts a Keras model to an int8 FlatBuffer, with uint8 [N, 28, 28] calibration images.
ToInt8 = Callable[[Any, NDArray[np.uint8]], bytes]

_CALIBRATION_PER_CLASS = 10  # enough for the size, which is all that is used


@dataclass(frozen=True)
class TrialResult:
    """The result of a cell; accuracies are on validation images.

    seconds: seconds of training.
    total_seconds: seconds of the whole task, including loading and conversion.
    int8_bytes: payload of the model's int8 FlatBuffer.
    worker: host and process.
    versions: versions of the packages that the weights depend on.
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
    """Train a cell on a worker, with one thread; one at a time per process.

    Args:
        config: training settings.
        data: the data set, or the hash of the worker's own MNIST.
        to_int8: converts the model; passed in, since this package must not import convert.

    Raises:
        DataError: the worker's MNIST has another hash.
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
        keras.backend.clear_session()  # otherwise the graphs of all cells stay in memory
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
