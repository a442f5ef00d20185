"""A cold start in a process of its own, where nothing is warm yet, split into its parts.

`python -m benchmarks.worker.startup_probe MODULE MODEL THREADS OPTIONS STARTED`.
It runs in the environments of the alternatives too: standard library,
numpy, and the subject's own package.
"""

import time

_BEGUN = time.perf_counter_ns()  # before anything is imported: so far it was the process and the interpreter

import importlib  # noqa: E402
import importlib.metadata  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

_ANSWERS = 50  # after which memory is steady


def _memory() -> tuple[int | None, int | None]:
    """Bytes of this process: proportional set size now, and the largest resident set so far."""
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
    """Bytes of the files of packages and of all that they require, by name; what is not installed is left out."""
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


def main(name: str, model: str, threads: str, options: str, started: str) -> None:
    """Start, and print what it took."""
    clock = time.perf_counter_ns
    settings = json.loads(options)
    import numpy as np

    module = importlib.import_module(name)
    module.prepare(settings)
    imported = clock()
    subject = module.load(model, int(threads), settings)
    loaded = clock()
    image = np.zeros((28, 28), np.uint8)
    subject.one(image)
    answered = clock()
    for _ in range(_ANSWERS):
        subject.one(image)
    steady, peak = _memory()
    found = {
        "process_ns": _BEGUN - int(started),
        "imports_ns": imported - _BEGUN,
        "load_ns": loaded - imported,
        "first_ns": answered - loaded,
        "steady_bytes": steady,
        "peak_bytes": peak,
    }
    print(
        "\n"
        + json.dumps(
            {"cold": found, "installed": installed_bytes((settings["package"],) if "package" in settings else module.DISTRIBUTIONS)}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
