"""Invented results for the tests: round numbers, so that every derived figure can be written down."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.results.records import Machine
from benchmarks.results.results import OURS, SCHEMA_VERSION, BenchResult, ColdStart, Condition, ModelResult, Start, Turn
from edge_runtime.common.intervals import Accuracy
from edge_runtime.model.model_file import read_model_file

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
    simd=("asimd",),
)

MILLISECOND = 1_000_000


def turns(samples: Sequence[int], process: int = 0, **changes: Any) -> tuple[Turn, ...]:
    """Single calls of one process, fifty a turn."""
    return tuple(
        replace(Turn(process, number, 1, 1, 16, 0, tuple(samples[start : start + 50])), **changes)
        for number, start in enumerate(range(0, len(samples), 50))
    )


COLD = tuple(
    ColdStart(20 * MILLISECOND, 90 * MILLISECOND, load * MILLISECOND, MILLISECOND, 38_000_000, 48_000_000) for load in (5, 1, 2)
)
MODEL = ModelResult(
    way=OURS,
    runtime="ai-edge-litert 2.3.0",
    name="cnn",
    recipe="static_wi8_ai8",
    file="cnn-int8.tflite",
    sha256="ab" * 32,
    file_bytes=49_449,
    payload_bytes=36_104,
    scale_bytes=2_000,
    installed={"ai-edge-litert": 59_000_000, "numpy": 57_000_000},
    cold=COLD,
    starts=(Start(0, 96, True),),
    turns=turns([1_000 * number for number in range(1_000, 0, -1)]),
    sweeps=(),
    accuracy=Accuracy(9_936, 10_000, (99.182, 99.5)),
)
QUIET = Condition("before", 0.5, 1.0, 0.0, 1_500.0, "performance", 50.0, 0)


def model_result(steady_ns: Sequence[int] | None = None, **changes: Any) -> ModelResult:
    """A model whose samples are 1, 2, ... 1,000 microseconds, with some fields changed; `steady_ns`: single calls of one process."""
    timed: dict[str, Any] = {"turns": turns(steady_ns)} if steady_ns else {}
    return replace(MODEL, **timed, **changes)


def many_processes(medians: Sequence[int], calls: int = 100, **changes: Any) -> ModelResult:
    """A model that took these nanoseconds in each process, in every one of its calls."""
    found = tuple(turn for process, median in enumerate(medians) for turn in turns([median] * calls, process))
    starts = tuple(Start(process, 96, True) for process in range(len(medians)))
    return replace(MODEL, **{"turns": found, "starts": starts, **changes})


def bench_result(*models: ModelResult, machine: Machine = MACHINE, **changes: Any) -> BenchResult:
    """Results of these models on an invented board; of one model if none is given. The reference takes what the first model took."""
    found = models or (MODEL,)
    result = BenchResult(
        schema_version=SCHEMA_VERSION,
        edge_digits="0.1.0",
        command="digits bench cnn-int8.tflite",
        machine=machine,
        threads=1,
        pinned=(),
        seed=0,
        samples=1_000,
        split="test",
        data_sha256="cd" * 32,
        clock_step_ns=(1,),
        empty_ns=(60,),
        conditions=(QUIET, replace(QUIET, when="process 1"), replace(QUIET, when="after")),
        reference=replace(found[0], name="reference", sha256="12" * 32),
        models=found,
        absent=(),
    )
    return replace(result, **changes)


def check_closing_lines(printed: str, board: str) -> None:
    """That `digits bench` without arguments and without data ended in a line for each shipped model, on that board."""
    models = ("nano", "small", "base", "base-fp32")
    lines = printed.splitlines()[-len(models) :]
    time, source = r"[\d.]+ (us|ms|s)", r"as proven at conversion; 16 of 16 golden images equal here"
    for line, name in zip(lines, models, strict=True):
        manifest = read_model_file(Path(name)).manifest
        assert manifest is not None
        (on_test,) = [found.candidate for found in manifest.accuracy if found.split == "test"]
        percent = f"{100 * on_test.correct / on_test.total:.2f}"
        start = f"{name} on {re.escape(board)}: {time} a digit, {time} a photo, "
        assert re.fullmatch(rf"{start}{percent} % right \({source}\), \d+ MB, {time} to the first answer", line), line


def little_png(grey: int = 200) -> bytes:
    """A PNG of one grey."""
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), grey, np.uint8)).save(stream, "PNG")
    return stream.getvalue()
