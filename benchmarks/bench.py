"""A benchmark run: models on this board, to a results file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cold import cold_start
from benchmarks.latency import WARMUP, measure, rounds
from benchmarks.machine import this_machine
from benchmarks.results import SCHEMA_VERSION, BenchResult, ModelResult
from edge_runtime.classifier import Classifier
from edge_runtime.errors import BadArgument, InputError
from edge_runtime.interpreter import find_backend
from edge_runtime.model_file import read_model_file
from edge_runtime.statistics import accuracy_of
from train.data import Dataset, Split

_COLD_STARTS = 3
_LATENCY_IMAGES = 256


@dataclass(frozen=True)
class Settings:
    """How to measure: `samples` timed calls of each model on `threads` threads of the interpreter, in an order that `seed` gives."""

    board: str
    samples: int = 2_000
    threads: int = 1
    backend: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= 1_000_000:
            raise BadArgument(f"samples is {self.samples}, expected 1 to 1,000,000")


Step = Callable[[str], None]


def total_steps(models: int, settings: Settings) -> int:
    """How often `run` calls its `step`."""
    return models * (_COLD_STARTS + 1) + rounds(settings.samples)


def run(paths: Sequence[Path], settings: Settings, data: Dataset | None, step: Step = lambda _: None) -> BenchResult:
    """Measure models: cold starts in processes of their own, steady latency interleaved, then accuracy on the test images.

    Args:
        paths: model files.
        settings: how to measure.
        data: whose test images give the accuracies; None leaves them out.
        step: called with what was done after each part, `total_steps` times.

    Raises:
        InputError: a model cannot be used, or does not fit the data.
    """
    backend = find_backend(settings.backend)
    for path in paths:  # all of them are looked at before the first is measured
        labels = read_model_file(path).labels
        if data and len(labels) != data.classes:
            raise InputError(f"{path}: knows {len(labels)} classes, {data.source} has {data.classes}")
    # Children first: a plain .tflite that ends its interpreter ends a child, not this process.
    colds = [_cold_starts(path, backend.name, settings.threads, step) for path in paths]
    classifiers = [Classifier.load(path, settings.threads, settings.backend, trusted=True) for path in paths]
    split = data.test if data else None
    machine = this_machine(settings.board, backend)
    images = split.images[:_LATENCY_IMAGES] if split else _synthetic_images()
    steady = measure(classifiers, images, settings.samples, settings.seed, lambda: step("latency"))
    return BenchResult(
        schema_version=SCHEMA_VERSION,
        machine=machine,
        threads=settings.threads,
        seed=settings.seed,
        split=split.name if split else "",
        data_sha256=data.sha256 if data else "",
        models=tuple(
            _model_result(path, classifier, cold, times, split, step)
            for path, classifier, cold, times in zip(paths, classifiers, colds, steady, strict=True)
        ),
    )


def _cold_starts(path: Path, backend: str, threads: int, step: Step) -> list[tuple[int, int]]:
    found = []
    for _ in range(_COLD_STARTS):
        found.append(cold_start(path, backend, threads))
        step("cold start")
    return found


def _synthetic_images() -> NDArray[np.uint8]:
    """Noise to time with where no data is at hand: the time of these models does not depend on the pixels."""
    return np.random.RandomState(0).randint(0, 256, (_LATENCY_IMAGES, 28, 28)).astype(np.uint8)


def _model_result(
    path: Path, classifier: Classifier, cold: Sequence[tuple[int, int]], steady: Sequence[int], split: Split | None, step: Step
) -> ModelResult:
    model = classifier.model
    accuracy = accuracy_of(classifier.classify_batch(split.images).indices, split.labels) if split else None
    step("accuracy")
    return ModelResult(
        name=model.name,
        recipe=model.manifest.recipe if model.manifest else "unknown",
        file=path.name,
        sha256=model.sha256,
        file_bytes=model.file_bytes,
        payload_bytes=model.graph.payload_bytes,
        scale_bytes=model.graph.scale_bytes,
        load_ns=tuple(load for load, _ in cold),
        first_ns=tuple(first for _, first in cold),
        warmup=WARMUP,
        steady_ns=tuple(steady),
        accuracy=accuracy,
    )
