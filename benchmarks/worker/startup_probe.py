"""A cold start in a new process, split into its parts.

`python -m benchmarks.worker.startup_probe MODULE MODEL THREADS OPTIONS STARTED`.
It runs in the environments of other packages too: standard library, numpy,
and the backend's own package.
"""

import time

_BEGUN = time.perf_counter_ns()  # before any import: up to here, the system and the Python interpreter started

import importlib  # noqa: E402
import importlib.metadata  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

_CALLS = 50  # after which memory is steady


def _memory() -> tuple[int | None, int | None]:
    """Bytes of this process: its proportional set size, and its peak resident set size. None where the system does not report it."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        steady = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        steady = None
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = None
    return steady, peak


def installed_bytes(distributions: tuple[str, ...]) -> dict[str, int]:
    """Installed bytes of packages and of their requirements, by name; without those that are not installed."""
    found: dict[str, int] = {}
    waiting = list(distributions)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = sum(file.size or 0 for file in package.files or ())
        needed = [text for text in package.requires or () if "extra ==" not in text]
        waiting += [match[0] for text in needed if (match := re.match(r"[\w.-]+", text))]
    return found


def main(name: str, path: str, threads: str, options: str, started: str) -> None:
    """Load a backend, classify, and print the times as JSON."""
    clock = time.perf_counter_ns
    settings = json.loads(options)
    import numpy as np

    module = importlib.import_module(name)
    module.prepare(settings)
    imported = clock()
    model = module.load(path, int(threads), settings)
    loaded = clock()
    image = np.zeros((28, 28), np.uint8)
    model.one(image)
    answered = clock()
    for _ in range(_CALLS):
        model.one(image)
    steady, peak = _memory()
    found = {
        "process_ns": _BEGUN - int(started),
        "imports_ns": imported - _BEGUN,
        "load_ns": loaded - imported,
        "first_ns": answered - loaded,
        "steady_bytes": steady,
        "peak_bytes": peak,
    }
    distributions = (settings["package"],) if "package" in settings else module.DISTRIBUTIONS
    print("\n" + json.dumps({"cold": found, "installed": installed_bytes(distributions)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
