"""One trial, as a worker runs it: train for a few epochs, convert to int8, measure."""

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
    """A worker runs on another kind of machine than its study."""


@dataclass(frozen=True)
class MachineKind:
    """Machines of one kind have latencies that can be compared: same processor, same interpreter."""

    architecture: str
    cpu: str
    interpreter: str

    def __str__(self) -> str:
        return f"{self.cpu} ({self.architecture}, {self.interpreter})"


@dataclass(frozen=True)
class Latency:
    """Of one image on one thread.

    medians_ns: nanoseconds, the median of each of several batches of calls.
    busy_percent: load of all cores just before, from whatever else runs on the machine.
    """

    medians_ns: tuple[int, ...]
    busy_percent: float

    @property
    def best_ns(self) -> int:
        """The smallest of the medians, which is what trials are compared by: whatever disturbs a batch makes it slower, never faster."""
        return min(self.medians_ns)

    @property
    def steady(self) -> bool:
        """Whether the medians lie within 10 % of the smallest one."""
        return max(self.medians_ns) <= 1.1 * self.best_ns


@dataclass(frozen=True)
class Outcome:
    """What a trial came to. The accuracy is the Keras model's on validation images, the rest is its int8 file's."""

    validation: Accuracy
    payload_bytes: int
    latency: Latency
    parameters: int
    seconds: float

    @property
    def objectives(self) -> tuple[float, int, int]:
        """Accuracy in percent (the more the better), bytes and nanoseconds (the fewer the better)."""
        return self.validation.percent, self.payload_bytes, self.latency.best_ns


@dataclass(frozen=True)
class Tools:
    """What a trial needs of other packages. Module-level functions, so that they reach a worker by their names.

    int8: a Keras model and calibration images, uint8 [N, 28, 28], to a TFLite FlatBuffer.
    latency: measures a FlatBuffer on images, uint8 [N, 28, 28].
    machine: what kind this one is.
    """

    int8: Callable[[Any, NDArray[np.uint8]], bytes]
    latency: Callable[[bytes, NDArray[np.uint8]], Latency]
    machine: Callable[[], MachineKind]


def run_trial(config: TrainingConfig, data: Dataset, tools: Tools, kind: MachineKind) -> Outcome:
    """Train, convert and measure, on one thread.

    Raises:
        ForeignMachine: this machine is not of the study's kind; nothing was trained.
        DigitsError: the loss became NaN, or the model cannot be converted.
    """
    if (here := tools.machine()) != kind:
        raise ForeignMachine(f"a worker runs on {here}, the study on {kind}: their latencies do not compare")
    started = time.perf_counter()
    with one_training:
        with training_lock() as give_way:
            flatbuffer, validation, parameters = _train(config, data, tools, give_way)
        with measurement_lock():
            latency = tools.latency(flatbuffer, data.validation.images[:_TIMED_IMAGES])
    return Outcome(validation, read_graph(flatbuffer).payload_bytes, latency, parameters, time.perf_counter() - started)


def _train(config: TrainingConfig, data: Dataset, tools: Tools, give_way: Callable[[], None]) -> tuple[bytes, Accuracy, int]:
    limit_threads(1)
    from train.backend import keras
    from train.loop.trainer import fit

    keras.utils.clear_session()  # or a worker's memory grows from trial to trial
    trained = fit(config, data, progress=_GivesWay(config.epochs, give_way))
    images = data.train.images[calibration_indices(data.train.labels)]
    return tools.int8(trained.model, images), trained.record.validation, trained.record.parameters


class _GivesWay(Progress):
    """Shows nothing, and lets measurements in between batches."""

    def __init__(self, epochs: int, give_way: Callable[[], None]) -> None:
        super().__init__(epochs, steps=0, quiet=True)
        self._give_way = give_way

    def step(self, batches: int = 1) -> None:
        self._give_way()
