"""ONNX Runtime's time for many images at once, in an environment of its own.

python -m tools.studies.device.onnx_batches NETWORK.npz IMAGES.npy THREADS

NETWORK.npz is what `benchmarks.backends.network` writes. Prints a digest of the labels and the best batch size; then, for each line on
standard input, the nanoseconds of all images once more.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.backends.onnx_runtime import load

BATCHES = (1, 10, 50, 100, 200, 500, 1_000, 2_000)
TRIES = 3


def classify(
    many: Callable[[NDArray[np.uint8]], NDArray[np.int64]], images: NDArray[np.uint8], batch: int
) -> tuple[NDArray[np.int64], int]:
    """Labels of all images, and the nanoseconds that they took."""
    before = time.perf_counter_ns()
    labels = [many(images[start : start + batch]) for start in range(0, len(images), batch)]
    return np.concatenate(labels), time.perf_counter_ns() - before


def digest(labels: NDArray[Any]) -> str:
    """SHA-256 of labels, to compare two classifiers by."""
    return hashlib.sha256(np.asarray(labels, np.uint8).tobytes()).hexdigest()


def main(network: str, pixels: str, threads: str) -> None:
    """Choose the batch size, then answer requests."""
    import onnxruntime

    many, images = load("", int(threads), {"network": network, "int8": False}).many, np.load(pixels)
    labels, _ = classify(many, images, BATCHES[-1])
    times = {batch: min(classify(many, images, batch)[1] for _ in range(TRIES)) for batch in BATCHES}
    best = min(times, key=lambda batch: times[batch])
    print(json.dumps({"digest": digest(labels), "batch": best, "version": onnxruntime.__version__}), flush=True)
    for _ in sys.stdin:
        print(classify(many, images, best)[1], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
