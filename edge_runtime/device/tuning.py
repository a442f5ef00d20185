"""Tune a model's threads and batch size on this device.

A tuning is saved in the user's cache folder by model, runtime, processor and number of cores: if one of them changes, it no longer applies.
"""

import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.common.atomic_files import write_file
from edge_runtime.common.frozen_dataclass import frozen_dataclass
from edge_runtime.common.json_codec import read_json, to_json
from edge_runtime.device.system import cores, processor_name
from edge_runtime.device.tuning_folder import tuning_folder
from edge_runtime.errors import DataError
from edge_runtime.inference.classifier import Classifier
from edge_runtime.inference.interpreter import Backend, backend_version
from edge_runtime.model.model_file import ModelFile

BATCHES = (1, 10, 50, 200)
ROUNDS = 7
_SCHEMA_VERSION = 1
_IMAGES = 400
_MIN_GAIN = 0.03  # fraction of the time that more threads or a larger batch must save


@frozen_dataclass
class Timing:
    """The time of one setting. batch: 0 for single images. nanoseconds: per image, the median over interleaved rounds."""

    threads: int
    batch: int
    nanoseconds: int


@frozen_dataclass
class Tuning:
    """The best settings. threads: for single images. batch_threads, batch: for many images. timings: of all settings."""

    schema_version: int
    model: str
    runtime: str
    device: str
    threads: int
    batch_threads: int
    batch: int
    timings: tuple[Timing, ...]


def tune(model: ModelFile, backend: Backend, clock: Callable[[], int] = time.perf_counter_ns) -> Tuning:
    """Time all settings on this device; takes some seconds.

    Args:
        model: a checked model file.
        backend: the interpreter.
        clock: returns nanoseconds.
    """
    counts = _thread_counts(cores())
    images = np.random.RandomState(0).randint(0, 256, (_IMAGES, 28, 28)).astype(np.uint8)
    single = [(threads, 0) for threads in counts]
    many = list(product(counts, BATCHES))
    timings = _time([(*setting, _classifier(model, backend, *setting)) for setting in (*single, *many)], images, clock)
    best_single = _best([timing for timing in timings if timing.batch == 0])
    best_many = _best([timing for timing in timings if timing.batch])
    return Tuning(
        _SCHEMA_VERSION,
        model.sha256,
        f"{backend.package} {backend_version(backend)}",
        device(),
        best_single.threads,
        best_many.threads,
        best_many.batch,
        tuple(timings),
    )


def device() -> str:
    """The processor's name, its architecture, and the number of cores."""
    return f"{processor_name()}, {platform.machine()}, {cores()} cores"


def save_tuning(tuning: Tuning) -> Path:
    """Save a tuning for `load_tuning`, and return its path."""
    path = _path(tuning.model, tuning.runtime)
    write_file(path, to_json(tuning, indent=1) + "\n", force=True)
    return path


def load_tuning(model: ModelFile, backend: Backend) -> Tuning | None:
    """The saved tuning for this model, runtime and device; None if there is none, or if its file is damaged."""
    runtime = f"{backend.package} {backend_version(backend)}"
    try:
        found = read_json(Tuning, _path(model.sha256, runtime), ("schema_version", _SCHEMA_VERSION))
    except DataError:
        return None
    fits = (found.model, found.runtime, found.device) == (model.sha256, runtime, device())
    counts = (found.threads, found.batch_threads, found.batch, *(timing.threads for timing in found.timings))
    return found if fits and min(counts) >= 1 else None


def _path(model: str, runtime: str) -> Path:
    key = hashlib.sha256(f"{model} {runtime} {device()}".encode()).hexdigest()[:16]
    return tuning_folder() / f"tuning-{key}.json"


def _thread_counts(cores: int) -> list[int]:
    """1, 2, 4... and all cores."""
    powers = [2**exponent for exponent in range(8) if 2**exponent < cores]
    return [*powers, cores]


def _classifier(model: ModelFile, backend: Backend, threads: int, batch: int) -> Classifier:
    return Classifier(model, threads, backend.name, in_process=True, batch=max(batch, 1))


def _time(settings: Sequence[tuple[int, int, Classifier]], images: NDArray[np.uint8], clock: Callable[[], int]) -> list[Timing]:
    """Time all settings in interleaved rounds, of which the first is a warm-up."""
    taken: list[list[int]] = [[] for _ in settings]
    for _ in range(ROUNDS + 1):
        for number, (_, batch, classifier) in enumerate(settings):
            before = clock()
            if batch:
                classifier.classify_batch(images)
            else:
                for image in images[:50]:
                    classifier.classify(image)
            taken[number].append((clock() - before) // (len(images) if batch else 50))
    return [Timing(threads, batch, int(np.median(times[1:]))) for (threads, batch, _), times in zip(settings, taken, strict=True)]


def _best(timings: Sequence[Timing]) -> Timing:
    """The setting with the fewest threads, then the smallest batch, among those within 3 % of the fastest."""
    limit = min(timing.nanoseconds for timing in timings) * (1 + _MIN_GAIN)
    return min((timing for timing in timings if timing.nanoseconds <= limit), key=lambda timing: (timing.threads, timing.batch))
