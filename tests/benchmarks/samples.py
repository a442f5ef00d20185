"""Invented results for the tests: round numbers, so that every derived figure can be written down."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import Machine
from benchmarks.results import SCHEMA_VERSION, BenchResult, ModelResult
from edge_runtime.statistics import Accuracy

MACHINE = Machine(
    board="Pi 4",
    system="Linux 6.6",
    architecture="aarch64",
    cpu="Cortex-A72",
    cores=4,
    memory_bytes=4 * 2**30,
    governor="ondemand",
    busy_percent=3.0,
    python="3.11.2",
    numpy="2.1.0",
    runtime="ai-edge-litert 2.3.0",
)

MODEL = ModelResult(
    name="cnn",
    recipe="static_wi8_ai8",
    file="cnn-int8.tflite",
    sha256="ab" * 32,
    file_bytes=49_449,
    payload_bytes=36_104,
    scale_bytes=2_000,
    load_ns=(5_000_000, 1_234_567, 2_000_000),
    first_ns=(900_000, 800_000, 700_000),
    warmup=100,
    steady_ns=tuple(1_000 * number for number in range(1_000, 0, -1)),
    accuracy=Accuracy(9_936, 10_000, (99.182, 99.5)),
)


def model_result(**changes: Any) -> ModelResult:
    """A model whose samples are 1, 2, ... 1,000 microseconds, with some fields changed."""
    return replace(MODEL, **changes)


def bench_result(*models: ModelResult, machine: Machine = MACHINE, **changes: Any) -> BenchResult:
    """Results of these models on an invented board; of one model if none is given."""
    result = BenchResult(SCHEMA_VERSION, machine, 1, 0, "test", "cd" * 32, models or (MODEL,))
    return replace(result, **changes)


def little_png(grey: int = 200) -> bytes:
    """A PNG of one grey."""
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), grey, np.uint8)).save(stream, "PNG")
    return stream.getvalue()
