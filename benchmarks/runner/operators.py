"""Time of each operator, by cutting the graph, since the Python package has no profiler: the first 1, 2, ... operators take turns.

Operator k takes what the first k operators take less what the first k - 1 take. XNNPACK runs a chain of operators as one part, so a cut
may cost a copy that the whole graph does not have: the figures show which operator is slow, but do not add up exactly.
"""

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.results import Prefix, Turn
from benchmarks.runner.scheduler import turn_order
from benchmarks.stats.macs import Step, read_steps
from benchmarks.worker.client import OURS, Worker
from benchmarks.worker.protocol import BackendSpec
from edge_runtime.model.flatbuffer import Table

_PROCESSES, _ROUNDS, _SAMPLES = 4, 5, 40
_MAX_OPERATORS = 10_000


def cut(flatbuffer: bytes, operators: int) -> bytes:
    """The same model with its first operators alone. Its output is that of the last of them, or the input if there are none.

    Only the length of the list of operators and the index of the output are overwritten: nothing moves, so all offsets stay valid.
    Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs.

    Raises:
        ValueError: the model has fewer operators.
        DamagedFlatBuffer: an offset points outside of the file.
    """
    graph = next(Table.root(flatbuffer).tables(2, _MAX_OPERATORS))
    tables = list(graph.tables(3, _MAX_OPERATORS))
    if not 0 <= operators <= len(tables):
        raise ValueError(f"cannot keep {operators} operators of {len(tables)}")
    last = tables[operators - 1].vector(2, "<i4") if operators else graph.vector(1, "<i4")
    (entries, _), (outputs, _) = graph.place(3), graph.place(2)
    shorter = bytearray(flatbuffer)
    struct.pack_into("<I", shorter, entries - 4, operators)
    struct.pack_into("<i", shorter, outputs, int(last[0]))
    return bytes(shorter)


def measure_layers(
    flatbuffer: bytes, module: str, threads: int, images: NDArray[np.uint8], folder: Path, pinned: Sequence[int], seed: int
) -> tuple[Prefix, ...]:
    """Time every prefix of a model, interleaved, in four processes.

    Args:
        flatbuffer: the model.
        module: with the class `Interpreter`.
        threads: of the interpreter.
        images: uint8 [N, 28, 28].
        folder: for the cut files.
        pinned: processors to run on; empty for all.
        seed: of the order of turns.

    Raises:
        DigitsError: a worker failed, as for a model that cannot be cut somewhere.
    """
    steps = read_steps(flatbuffer)
    # After an operator that only unpacks weights there is nothing to cut: the input has not been used yet.
    counts = [0, *(count for count, step in enumerate(steps, 1) if not step.unpacks)]
    file = folder / "images.npy"
    np.save(file, images)
    specs = [_cut_file(flatbuffer, count, folder, module, threads) for count in counts]
    order = random.Random(seed)
    turns: list[list[Turn]] = [[] for _ in counts]
    for process in range(_PROCESSES):
        with Worker(OURS, specs, file, pinned) as worker:
            for number, backend in turn_order(worker.backends, _ROUNDS, order):
                group = backend.warmup.group
                found = backend.time_calls(number * _SAMPLES, _SAMPLES, 1, group)
                turn = Turn(process, number, 1, group, found.dropped, found.preempted, tuple(found.samples_ns))
                turns[backend.index].append(turn)
    return _prefixes(steps, turns)


def _cut_file(flatbuffer: bytes, count: int, folder: Path, module: str, threads: int) -> BackendSpec:
    path = folder / f"{count}.tflite"
    path.write_bytes(cut(flatbuffer, count))
    return BackendSpec("benchmarks.backends.prefix", str(path), threads, {"module": module})


def _prefixes(steps: Sequence[Step], turns: Sequence[Sequence[Turn]]) -> tuple[Prefix, ...]:
    names = [("(calling)", (), 0), *((step.operator, step.output, step.multiply_adds) for step in steps if not step.unpacks)]
    return tuple(Prefix(*name, tuple(taken)) for name, taken in zip(names, turns, strict=True))
