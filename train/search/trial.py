"""One trial on a worker: train for a few epochs, convert to int8, measure latency."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.intervals import Accuracy
from edge_runtime.errors import DigitsError
from edge_runtime.model.graph import read_graph
from train.config.training_config import TrainingConfig
from train.data import Dataset, calibration_indices
from train.loop.progress import Progress
from train.loop.threads import limit_threads, one_training
from train.search.machine_lock import measurement_lock, training_lock

_TIMED_IMAGES = 100


class ForeignMachine(DigitsError):
    """A worker runs on another kind of machine than the study."""


@dataclass(frozen=True)
class MachineKind:
    """Processor and interpreter; latencies are comparable between machines of the same kind."""

    architecture: str
    cpu: str
    interpreter: str

    def __str__(self) -> str:
        return f"{self.cpu} ({self.architecture}, {self.interpreter})"


@dataclass(frozen=True)
class Latency:
    """Latency of one image on one thread.

    medians_ns: median of each of several batches of calls, in nanoseconds.
    busy_percent: CPU load of other programs just before the measurement.
    """

    medians_ns: tuple[int, ...]
    busy_percent: float

    @property
    def best_ns(self) -> int:
        """The smallest median, by which trials are compared: disturbances make a batch slower, never faster."""
        return min(self.medians_ns)

    @property
    def steady(self) -> bool:
        """Whether all medians are within 10 % of the smallest one."""
        return max(self.medians_ns) <= 1.1 * self.best_ns


@dataclass(frozen=True)
class Outcome:
    """The result of a trial: accuracy of the Keras model on validation images, size and latency of its int8 file."""

    validation: Accuracy
    payload_bytes: int
    latency: Latency
    parameters: int
    seconds: float

    @property
    def objectives(self) -> tuple[float, int, int]:
        """Accuracy in percent (maximised), bytes and nanoseconds (minimised)."""
        return self.validation.percent, self.payload_bytes, self.latency.best_ns


@dataclass(frozen=True)
class Tools:
    """Functions of other packages that a trial needs; module-level ones, which workers import by name.

    int8: converts a Keras model, with calibration images uint8 [N, 28, 28], to a FlatBuffer.
    latency: measures a FlatBuffer on images uint8 [N, 28, 28].
    machine: returns the kind of this machine.
    """

    int8: Callable[[Any, NDArray[np.uint8]], bytes]
    latency: Callable[[bytes, NDArray[np.uint8]], Latency]
    machine: Callable[[], MachineKind]


def run_trial(config: TrainingConfig, data: Dataset, tools: Tools, kind: MachineKind) -> Outcome:
    """Train, convert and measure, on one thread.

    Raises:
        ForeignMachine: this machine is not of the study's kind; nothing is trained.
        DigitsError: the loss became NaN, or the model cannot be converted.
    """
    if (here := tools.machine()) != kind:
        raise ForeignMachine(f"a worker runs on {here}, the study on {kind}: their latencies are not comparable")
    started = time.perf_counter()
    with one_training:
        with training_lock() as yield_to_measurements:
            flatbuffer, validation, parameters = _train(config, data, tools, yield_to_measurements)
        with measurement_lock():
            latency = tools.latency(flatbuffer, data.validation.images[:_TIMED_IMAGES])
    return Outcome(validation, read_graph(flatbuffer).payload_bytes, latency, parameters, time.perf_counter() - started)


def _train(
    config: TrainingConfig, data: Dataset, tools: Tools, yield_to_measurements: Callable[[], None]
) -> tuple[bytes, Accuracy, int]:
    limit_threads(1)
    from train.backend import keras
    from train.loop.trainer import fit

    keras.utils.clear_session()  # otherwise a worker's memory grows with each trial
    trained = fit(config, data, progress=_YieldingProgress(config.epochs, yield_to_measurements))
    images = data.train.images[calibration_indices(data.train.labels)]
    return tools.int8(trained.model, images), trained.record.validation, trained.record.parameters


class _YieldingProgress(Progress):
    """Shows nothing, and lets waiting measurements run between batches."""

    def __init__(self, epochs: int, yield_to_measurements: Callable[[], None]) -> None:
        super().__init__(epochs, steps=0, quiet=True)
        self._yield_to_measurements = yield_to_measurements

    def step(self, batches: int = 1) -> None:
        self._yield_to_measurements()
