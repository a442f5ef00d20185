"""Loading and first answer in a process of its own, where nothing is warm yet: `python -m benchmarks.cold MODEL BACKEND THREADS`."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from edge_runtime.child import child_environment, module_command
from edge_runtime.classifier import Classifier
from edge_runtime.errors import DigitsError


def cold_start(model: Path, backend: str, threads: int) -> tuple[int, int]:
    """Nanoseconds of loading a model and of its first answer, measured in a child process.

    Raises:
        DigitsError: the child failed.
    """
    command = module_command(__name__, str(model), backend, str(threads))
    child = subprocess.run(command, capture_output=True, text=True, env=child_environment(), check=False)
    if child.returncode:
        lines = child.stderr.strip().splitlines()
        raise DigitsError(f"{model}: the cold start failed ({lines[-1] if lines else child.returncode})")
    load, first = json.loads(child.stdout)
    return load, first


def _main(model: str, backend: str, threads: str) -> None:
    image = np.zeros((28, 28), np.uint8)
    start = time.perf_counter_ns()
    classifier = Classifier.load(model, int(threads), backend, trusted=True)
    loaded = time.perf_counter_ns()
    classifier.classify(image)
    print(json.dumps([loaded - start, time.perf_counter_ns() - loaded]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
