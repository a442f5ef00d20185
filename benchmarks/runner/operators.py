"""Time of each operator. The Python package has no profiler, so the graph is cut: the first 1, 2, ... operators take turns.

What the k-th takes is what the first k take less what the first k - 1 take. XNNPACK runs a chain of operators as one part of its own, so
a cut may cost a copy that the whole graph does not have: a figure to find what is slow by, not to add up.
"""

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results.results import Prefix, Turn
from benchmarks.stats.macs import read_steps
from benchmarks.worker.client import OURS, BackendSpec, Worker
from edge_runtime.model.flatbuffer import Table

_PROCESSES, _ROUNDS, _SAMPLES = 4, 5, 40
_MOST = 10_000


def cut(flatbuffer: bytes, operators: int) -> bytes:
    """The same model with its first operators alone; its output is what the last of them gives, or with none of them its input.

    Only the list of operators is made shorter and the number of the output written over: nothing moves, so every offset stays right.
    Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs.

    Raises:
        ValueError: there are not so many.
        DamagedFlatBuffer: an offset points outside.
    """
    graph = next(Table.root(flatbuffer).tables(2, _MOST))
    tables = list(graph.tables(3, _MOST))
    if not 0 <= operators <= len(tables):
        raise ValueError(f"{operators} operators of {len(tables)}")
    last = tables[operators - 1].vector(2, "<i4") if operators else graph.vector(1, "<i4")
    (entries, _), (outputs, _) = graph.place(3), graph.place(2)
    shorter = bytearray(flatbuffer)
    struct.pack_into("<I", shorter, entries - 4, operators)
    struct.pack_into("<i", shorter, outputs, int(last[0]))
    return bytes(shorter)


def measure_layers(
    flatbuffer: bytes, module: str, threads: int, images: NDArray[np.uint8], place: Path, pinned: Sequence[int], seed: int
) -> tuple[Prefix, ...]:
    """Time every prefix of a model, in turns, over four processes.

    Args:
        flatbuffer: the model.
        module: that has the class `Interpreter`.
        threads: of the interpreter.
        images: uint8 [N, 28, 28].
        place: a folder for the cut files.
        pinned: processors to be bound to; none for all.
        seed: of the order.

    Raises:
        DigitsError: a child failed; some model cannot be cut there.
    """
    steps = read_steps(flatbuffer)
    # Behind an operator that unpacks weights there is nothing to cut: the input has not been looked at.
    counts = [0, *(count for count, step in enumerate(steps, 1) if not step.unpacks)]
    file = place / "images.npy"
    np.save(file, images)
    specs = []
    for count in counts:
        path = place / f"{count}.tflite"
        path.write_bytes(cut(flatbuffer, count))
        specs.append(BackendSpec("benchmarks.backends.prefix", str(path), threads, {"module": module}))
    order = random.Random(seed)
    turns: dict[int, list[Turn]] = {count: [] for count in counts}
    for process in range(_PROCESSES):
        with Worker(OURS, specs, file, pinned) as worker:
            for number in range(_ROUNDS):
                for subject, count in order.sample(list(enumerate(counts)), len(counts)):
                    group = worker.ready["groups"][subject]
                    found = worker.turn(subject, number * _SAMPLES, _SAMPLES, 1, group)
                    turns[count].append(
                        Turn(process, number, 1, group, found["dropped"], found["preempted"], tuple(found["samples_ns"]))
                    )
    names = [("(calling)", (), 0), *((step.operator, step.output, step.multiply_adds) for step in steps if not step.unpacks)]
    return tuple(Prefix(*name, tuple(taken)) for name, taken in zip(names, turns.values(), strict=True))
